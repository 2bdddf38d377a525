/*
 * lxnoded/options.h - the option table: command line, conf file, --help and the manual follow it.
 *
 * A conf file holds lines "name = value" with the long options' names; "#" begins a comment. The
 * command line wins over the file. Threads: before the node starts, and on reload.
 */
#ifndef LX_LXNODED_OPTIONS_H
#define LX_LXNODED_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"

struct node_conf {
        char *conf;
        char *datadir;
        char *genesis;
        char *validator_key;
        char *rpc_listen;
        char *listen;
        char *peers;         /* lines */
        char *seeds;        /* lines */
        char *sync;         /* "full" or "snapshot" */
        char *log;
        char *log_file;
        char *restore;
        char *hand_over;
        char *take_over;
        char *router_tun;
        char *router_rloc;
        char *router_eid;
        char *router_plain_from;
        char *router_site;
        char *router_foreign;
        char *router_proxy;
        char *router_proxy_net;
        char *router_proxy_for;
        char *dns_listen;
        char *dns_forward;
        bool router;
        bool light;
        char *trust;
        char *watch;   /* lines */
        char *contact;
        bool history;
        char *broadcast_listen;
        uint64_t prune;      /* heights to keep; 0: all */
        uint64_t db_cache;   /* MiB */
        uint64_t inbound_max;
        bool dev;
        bool rpc_open_metrics;
        bool check_db;
        bool check_config;
        bool rollback;
        bool help;
        bool version;
        int argc;            /* what it was read from, for a reload; the caller's */
        char **argv;
};

/* OPTION_LIST: may be given again; the values are kept as lines. */
enum option_type { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG, OPTION_LIST };

struct option_row {
        const char *name;
        enum option_type type;
        bool reloadable;
        size_t at;            /* in struct node_conf */
        const char *value;    /* what its value is called in help; NULL: none */
        const char *def;      /* NULL: none */
        const char *help;
};

/** The rows, NULL-named last. */
const struct option_row *option_rows(void);
/** Read defaults, command line and conf file. LX_ERR_USAGE and others with a why. */
LX_MUST_CHECK enum lx_err options_read(
    int argc, char **argv, struct node_conf *out_conf, struct lx_why *why);
/** The names of rows that differ between @a and @b and need a restart, comma-separated, appended. */
void options_restart_names(const struct node_conf *a, const struct node_conf *b, struct lx_buf *out);
/** Free what it owns. */
void options_clear(struct node_conf *conf);
/** The text of --help, appended. */
void options_help(struct lx_buf *out);

#endif
