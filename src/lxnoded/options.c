/* lxnoded/options.c - the option table and its readers. */
#include "config.h"
#include "lxnoded/options.h"

#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CONF_MAX (1u << 20) /* bytes of a conf file */

#define AT(field) offsetof(struct node_conf, field)

static const struct option_row ROWS[] = {
    {"conf", OPTION_TEXT, false, AT(conf), "FILE", NULL,
        "Read options from FILE (default: lxnoded.conf in the data directory, if it is there)."},
    {"datadir", OPTION_TEXT, false, AT(datadir), "DIR", NULL,
        "Keep everything in DIR (default: ~/.lxnode)."},
    {"dev", OPTION_FLAG, false, AT(dev), NULL, NULL,
        "Run a chain of one's own: one node, a new key and genesis document on first start."},
    {"genesis", OPTION_TEXT, false, AT(genesis), "FILE", NULL,
        "The network's genesis document (JSON), needed on first start."},
    {"validator-key", OPTION_TEXT, false, AT(validator_key), "FILE", NULL,
        "Sign blocks with this key file (lx keygen validator FILE)."},
    {"listen", OPTION_TEXT, false, AT(listen), "ADDRESS:PORT", NULL,
        "Let other nodes connect here; \"none\": only dial. Default: [::]:5389; with --dev none."},
    {"peer", OPTION_LIST, false, AT(peers), "ID@HOST:PORT", NULL,
        "Stay connected to this node (its id: lx peer list there). May be given again."},
    {"seed", OPTION_LIST, false, AT(seeds), "HOST:PORT", NULL,
        "Ask this node for others while none are known. May be given again."},
    {"sync", OPTION_TEXT, false, AT(sync), "full|snapshot", "full",
        "How an empty node catches up: every block from genesis, or the state at a certified height."},
    {"inbound-max", OPTION_NUMBER, false, AT(inbound_max), "COUNT", "64",
        "At most so many nodes may connect here; those given with --peer always may."},
    {"rpc-listen", OPTION_TEXT, false, AT(rpc_listen), "ADDRESS:PORT", "127.0.0.1:5390",
        "Answer RPC on this TCP address too (with the cookie); \"none\": only on the unix socket."},
    {"rpc-open-metrics", OPTION_FLAG, false, AT(rpc_open_metrics), NULL, NULL,
        "Serve /metrics without the cookie."},
    {"prune", OPTION_NUMBER, false, AT(prune), "HEIGHTS", "0",
        "Keep the states of this many newest heights only; 0 keeps all. Headers always stay."},
    {"db-cache", OPTION_NUMBER, false, AT(db_cache), "MIB", "16",
        "Memory for the store's block cache."},
    {"log", OPTION_TEXT, true, AT(log), "LEVEL[:CATEGORY]", "info",
        "How much to log: error, warn, notice, info, debug or trace; several by commas. SIGHUP reads it again."},
    {"log-file", OPTION_TEXT, true, AT(log_file), "FILE", NULL,
        "Log to FILE (default: stderr). SIGHUP reads this again and opens the file anew."},
    {"router", OPTION_FLAG, false, AT(router), NULL, NULL,
        "Be a router of the overlay: LISP on UDP 4341 and 4342."},
    {"router-tun", OPTION_TEXT, false, AT(router_tun), "IF", "lx0",
        "The TUN device that inner packets come from and go to; \"none\": only serve mappings."},
    {"router-rloc", OPTION_TEXT, false, AT(router_rloc), "ADDRESS,...", NULL,
        "Be reached at these addresses (default: those of this machine, followed as they change)."},
    {"router-eid", OPTION_TEXT, false, AT(router_eid), "[EID=]FILE,...", NULL,
        "Speak for the EIDs of these key files (lx eid create FILE) and the prefixes bound to them; EID=FILE: for an "
        "EID that was given the key of the file later (lx eid rekey)."},
    {"router-plain-from", OPTION_TEXT, false, AT(router_plain_from), "PREFIX,...", NULL,
        "Take and send plain LISP from and to RLOCs in these prefixes, for EIDs that allow it."},
    {"router-site", OPTION_TEXT, false, AT(router_site), "FILE", NULL,
        "Sites of other LISP implementations that register here: lines \"PREFIX KEY-ID sha256|sha1 KEY "
        "[random-nonces]\"."},
    {"router-proxy", OPTION_TEXT, false, AT(router_proxy), "PREFIX=EID,...", NULL,
        "Reach plain hosts in PREFIX, which are nobody's on the ledger, through the node of EID, and take from it what "
        "they send."},
    {"router-proxy-net", OPTION_TEXT, false, AT(router_proxy_net), "PREFIX,...", NULL,
        "Be a proxy between plain hosts in these prefixes and the EIDs of router-proxy-for."},
    {"router-proxy-for", OPTION_TEXT, false, AT(router_proxy_for), "PREFIX,...", NULL,
        "EIDs that may use this node as a proxy to the hosts of router-proxy-net."},
    {"router-foreign", OPTION_TEXT, false, AT(router_foreign), "FILE", NULL,
        "Map-servers of other LISP implementations: lines \"register PREFIX ADDRESS KEY-ID sha256|sha1 KEY\" for "
        "prefixes of ours, \"resolve PREFIX ADDRESS\" for EIDs that are not on the ledger."},
    {"dns-listen", OPTION_TEXT, false, AT(dns_listen), "ADDRESS:PORT", NULL,
        "Answer DNS for names under .lx on this address (UDP and TCP)."},
    {"dns-forward", OPTION_TEXT, false, AT(dns_forward), "ADDRESS:PORT", NULL,
        "Forward DNS queries for other names to this server (default: refuse them)."},
    {"light", OPTION_FLAG, false, AT(light), NULL, NULL,
        "Be a light node: headers and what is watched, with proofs, from the stations given with --peer."},
    {"trust", OPTION_TEXT, false, AT(trust), "HEIGHT:HASH", NULL,
        "Light: trust this header, from somebody you trust. Needed on first start, and when the trusting period "
        "is over."},
    {"watch", OPTION_LIST, false, AT(watch), "ADDRESS|NAME|EID", NULL,
        "Light: keep this register with its proof: by address, name (and what it points to) or EID; of a release "
        "also its manifest and revocations. May be given again."},
    {"contact", OPTION_TEXT, false, AT(contact), "FILE", NULL,
        "Light: when stations are seen: lines \"BEGIN END [BYTES]\", times as 2026-11-25T10:00:00Z (default: always)."},
    {"history", OPTION_FLAG, false, AT(history), NULL, NULL,
        "Light: keep all headers from height 0 up, too, 35 to 70 bytes each; they come after everything else."},
    {"broadcast-listen", OPTION_TEXT, false, AT(broadcast_listen), "ADDRESS:PORT", NULL,
        "Light: take passes that lx chain broadcast sends here by UDP (a multicast group is joined; without PORT any, "
        "which is logged)."},
    {"check-db", OPTION_FLAG, false, AT(check_db), NULL, NULL,
        "Check the whole store (every record, link, root and state), say what is wrong, and exit."},
    {"check-config", OPTION_FLAG, false, AT(check_config), NULL, NULL,
        "Check options and conf file, and exit."},
    {"restore", OPTION_TEXT, false, AT(restore), "DIR", NULL,
        "Fill the empty data directory from the backup in DIR, and exit."},
    {"hand-over", OPTION_TEXT, false, AT(hand_over), "DIR", NULL,
        "Give up this validator for another machine: copy what it has signed into DIR, sign nothing here ever after, "
        "and exit."},
    {"take-over", OPTION_TEXT, false, AT(take_over), "DIR", NULL,
        "Go on as the validator that was handed over into DIR; it can be taken once. Exit."},
    {"rollback", OPTION_FLAG, false, AT(rollback), NULL, NULL,
        "After an upgrade that is not confirmed yet: put the store back as the version before left it, and exit."},
    {"help", OPTION_FLAG, false, AT(help), NULL, NULL, "Show this help."},
    {"version", OPTION_FLAG, false, AT(version), NULL, NULL, "Show the version."},
    {NULL, OPTION_FLAG, false, 0, NULL, NULL, NULL}};

const struct option_row *
option_rows(void)
{
        return ROWS;
}

static const struct option_row *
find_row(const char *name, size_t len)
{
        for (const struct option_row *row = ROWS; row->name != NULL; row++)
                if (strlen(row->name) == len && strncmp(row->name, name, len) == 0)
                        return row;
        return NULL;
}

static enum lx_err
set_number(uint64_t *out, const struct option_row *row, const char *value, struct lx_why *why)
{
        char *end;
        unsigned long long v;

        errno = 0;
        v = strtoull(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0) {
                lx_why_set(why, "%s: \"%.60s\" is no number", row->name, value);
                return LX_ERR_USAGE;
        }
        *out = v;
        return LX_OK;
}

static enum lx_err
set_flag(bool *out, const struct option_row *row, const char *value, struct lx_why *why)
{
        if (value == NULL || strcmp(value, "1") == 0 || strcmp(value, "true") == 0 ||
            strcmp(value, "yes") == 0)
                *out = true;
        else if (strcmp(value, "0") == 0 || strcmp(value, "false") == 0 || strcmp(value, "no") == 0)
                *out = false;
        else {
                lx_why_set(why, "%s is a switch: 1 or 0, not \"%.60s\"", row->name, value);
                return LX_ERR_USAGE;
        }
        return LX_OK;
}

static void
add_line(char **list, const char *value)
{
        struct lx_buf buf = {0};

        lx_buf_printf(&buf, "%s%s%s", *list != NULL ? *list : "", *list != NULL ? "\n" : "", value);
        lx_free(*list);
        *list = lx_strdup(lx_buf_str(&buf));
        lx_buf_clear(&buf);
}

static enum lx_err
set(struct node_conf *conf, const struct option_row *row, const char *value, struct lx_why *why)
{
        void *field = (char *)conf + row->at;

        switch (row->type) {
        case OPTION_NUMBER:
                return set_number(field, row, value, why);
        case OPTION_FLAG:
                return set_flag(field, row, value, why);
        case OPTION_TEXT:
                lx_free(*(char **)field);
                *(char **)field = lx_strdup(value);
                return LX_OK;
        case OPTION_LIST:
                add_line(field, value);
                return LX_OK;
        }
        return LX_ERR_USAGE;
}

/* ---- command line ------------------------------------------------------------------------------ */

static enum lx_err
read_arguments(int argc, char **argv, struct node_conf *conf, struct lx_why *why)
{
        for (int i = 1; i < argc; i++) {
                const char *name = argv[i] + 2, *value = strchr(argv[i], '=');
                const struct option_row *row = NULL;
                enum lx_err err;

                if (strncmp(argv[i], "--", 2) == 0)
                        row = find_row(name, value != NULL ? (size_t)(value - name) : strlen(name));
                if (row == NULL) {
                        lx_why_set(why, "there is no option %.60s: see lxnoded --help", argv[i]);
                        return LX_ERR_USAGE;
                }
                if (value != NULL)
                        value++;
                else if (row->type != OPTION_FLAG && i + 1 < argc)
                        value = argv[++i];
                if (value == NULL && row->type != OPTION_FLAG) {
                        lx_why_set(why, "--%s needs a %s", row->name, row->value);
                        return LX_ERR_USAGE;
                }
                err = set(conf, row, value, why);
                if (err != LX_OK)
                        return err;
        }
        return LX_OK;
}

/* ---- conf file --------------------------------------------------------------------------------- */

static char *
trim(char *s)
{
        char *end;

        while (isspace((unsigned char)*s))
                s++;
        end = s + strlen(s);
        while (end > s && isspace((unsigned char)end[-1]))
                *--end = '\0';
        return s;
}

static enum lx_err
read_line(struct node_conf *conf, const char *path, unsigned number, char *line, struct lx_why *why)
{
        char *hash = strchr(line, '#'), *equals;
        const struct option_row *row;

        if (hash != NULL)
                *hash = '\0';
        line = trim(line);
        if (*line == '\0')
                return LX_OK;
        equals = strchr(line, '=');
        if (equals != NULL)
                *equals = '\0';
        line = trim(line);
        row = find_row(line, strlen(line));
        if (row == NULL || equals == NULL) {
                lx_why_set(why, "%s line %u: %s \"%.60s\"", path, number,
                    row == NULL ? "there is no option" : "no value for", line);
                return LX_ERR_USAGE;
        }
        return set(conf, row, trim(equals + 1), why);
}

static enum lx_err
read_conf(const char *path, bool must_exist, struct node_conf *conf, struct lx_why *why)
{
        struct lx_buf text = {0};
        struct lx_why ignored = {{0}};
        unsigned number = 0;
        char *line, *rest;
        enum lx_err err = lx_file_read(path, CONF_MAX, &text, must_exist ? why : &ignored);

        if (err == LX_OK) {
                (void)lx_buf_str(&text);
                for (rest = (char *)text.p; err == LX_OK && (line = strsep(&rest, "\n")) != NULL;)
                        err = read_line(conf, path, ++number, line, why);
        } else if (err == LX_ERR_ABSENT && !must_exist) {
                err = LX_OK;
        } else {
                lx_why_set(why, "cannot read %s: %s", path, lx_err_text(err));
        }
        lx_buf_clear(&text);
        return err;
}

static char *
join(const char *dir, const char *name)
{
        struct lx_buf buf = {0};
        char *path;

        lx_buf_printf(&buf, "%s/%s", dir, name);
        path = lx_strdup(lx_buf_str(&buf));
        lx_buf_clear(&buf);
        return path;
}

enum lx_err
options_read(int argc, char **argv, struct node_conf *out_conf, struct lx_why *why)
{
        struct node_conf line = {0}, conf = {0};
        const char *home = getenv("HOME");
        char *path;
        enum lx_err err = read_arguments(argc, argv, &line, why);

        for (const struct option_row *row = ROWS; row->name != NULL && err == LX_OK; row++)
                if (row->def != NULL)
                        err = set(&conf, row, row->def, why);
        if (err == LX_OK && (line.help || line.version)) {
                options_clear(&conf);
                *out_conf = line;
                return LX_OK;
        }
        conf.datadir = line.datadir != NULL ? lx_strdup(line.datadir)
                                            : join(home != NULL ? home : "/var/lib", ".lxnode");
        path = line.conf != NULL ? lx_strdup(line.conf) : join(conf.datadir, "lxnoded.conf");
        if (err == LX_OK)
                err = read_conf(path, line.conf != NULL, &conf, why);
        if (err == LX_OK)
                err = read_arguments(argc, argv, &conf, why);
        if (err == LX_OK && strcmp(conf.sync, "full") != 0 && strcmp(conf.sync, "snapshot") != 0) {
                lx_why_set(why, "sync is \"full\" or \"snapshot\", not \"%.60s\"", conf.sync);
                err = LX_ERR_USAGE;
        }
        lx_free(path);
        options_clear(&line);
        conf.argc = argc;
        conf.argv = argv;
        if (err == LX_OK)
                *out_conf = conf;
        else
                options_clear(&conf);
        return err;
}

/* ---- reload ------------------------------------------------------------------------------------ */

static bool
is_same(const struct option_row *row, const struct node_conf *a, const struct node_conf *b)
{
        const void *x = (const char *)a + row->at, *y = (const char *)b + row->at;
        const char *s, *t;

        switch (row->type) {
        case OPTION_NUMBER:
                return *(const uint64_t *)x == *(const uint64_t *)y;
        case OPTION_FLAG:
                return *(const bool *)x == *(const bool *)y;
        case OPTION_TEXT:
        case OPTION_LIST:
                break;
        }
        s = *(char *const *)x;
        t = *(char *const *)y;
        return s == t || (s != NULL && t != NULL && strcmp(s, t) == 0);
}

void
options_restart_names(const struct node_conf *a, const struct node_conf *b, struct lx_buf *out)
{
        for (const struct option_row *row = ROWS; row->name != NULL; row++)
                if (!row->reloadable && !is_same(row, a, b))
                        lx_buf_printf(out, "%s%s", out->len > 0 ? "," : "", row->name);
}

void
options_clear(struct node_conf *conf)
{
        for (const struct option_row *row = ROWS; row->name != NULL; row++)
                if (row->type == OPTION_TEXT || row->type == OPTION_LIST)
                        lx_free(*(char **)(void *)((char *)conf + row->at));
        *conf = (struct node_conf){0};
}

void
options_help(struct lx_buf *out)
{
        lx_buf_printf(out, "Usage: lxnoded [OPTION]...\nA node of a distributed ledger.\n\n");
        for (const struct option_row *row = ROWS; row->name != NULL; row++) {
                lx_buf_printf(out, "  --%s%s%s\n        %s", row->name, row->value != NULL ? " " : "",
                    row->value != NULL ? row->value : "", row->help);
                if (row->def != NULL)
                        lx_buf_printf(out, " Default: %s.", row->def);
                lx_buf_printf(out, "\n");
        }
        lx_buf_printf(out, "\nStart with: lxnoded --dev, then lx status. "
            "Manual: lxnoded(8), lxnoded.conf(5).\n");
}
