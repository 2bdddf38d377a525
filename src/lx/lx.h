/*
 * lx/lx.h - the command-line client: global options, the command table, what commands share.
 *
 * Every command is a row of one table (table.c); --help, the manual and completion follow it. Exit
 * status: 0 done and true, 1 checked and false, 2 wrong usage or bad input, 3 node unreachable,
 * 4 refused by the node, 5 I/O error. Threads: one, and the pool of the digests.
 */
#ifndef LX_LX_LX_H
#define LX_LX_LX_H

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"
#include "rpcclient/client.h"

enum { LX_EXIT_TRUE = 0, LX_EXIT_FALSE = 1, LX_EXIT_USAGE = 2, LX_EXIT_UNREACHABLE = 3,
        LX_EXIT_REFUSED = 4, LX_EXIT_IO = 5 };

#define LX_ARGS_MAX 65536
#define LX_OPTIONS_MAX 16

/* A command's own option, as given. */
struct lx_option {
        const char *name;
        const char *value; /* "" for a switch */
};

struct lx {
        const char *datadir;
        const char *rpc;
        const char *secret_file;
        const char *secret_option; /* what names such a file in an error; NULL: --secret-file */
        const char *key_file;
        const char *wait; /* "final" */
        bool json, verify, yes;
        bool helped; /* --help was asked for and given */
        const struct lx_command *command;
        char **args; /* of the command, without its words */
        int arg_count;
        struct lx_option option[LX_OPTIONS_MAX];
        int option_count;
        struct rpcclient *client;
        struct lx_why why;
};

struct lx_command {
        const char *words;   /* "binary publish" */
        int (*run)(struct lx *lx); /* returns the exit status */
        const char *args;    /* "PATH..." */
        int min, max;        /* arguments */
        const char *options; /* "release=NAME version=TEXT recursive" */
        const char *help;
};

/** The rows, NULL-named last. */
const struct lx_command *lx_commands(void);

/** Whether the command's answer carries no proof, so that --verify is refused. */
bool lx_is_unproven(const struct lx_command *command);
/** Print help for the command or group @words ("all": for every one); how many it was. */
size_t lx_show_help(const char *words);
/** The value of the command's option @name; NULL: not given. */
const char *lx_option(const struct lx *lx, const char *name);
/** Call the node; prints the error and returns false. *out_exit (may be NULL): the status for it. */
bool lx_call(struct lx *lx, const char *method, json_t *params, json_t **out_result, int *out_exit);
/** Print "lx: " and the message (or lx->why when fmt is NULL); returns @status. */
__attribute__((format(printf, 3, 4))) int lx_fail(struct lx *lx, int status, const char *fmt, ...);
/** The exit status that belongs to @err. */
int lx_exit_of(enum lx_err err);
/** Print one JSON object on a line (with --json). Takes @o over. */
void lx_print_json(json_t *o);
/** Print an answer of the node; without --json indented, and without what only programs read. Takes @o over; 0. */
int lx_print_answer(struct lx *lx, json_t *o);
/** Field @name of @o as a string ("" when absent). */
const char *lx_str(const json_t *o, const char *name);
/** Field @name of @o as a number. */
uint64_t lx_num(const json_t *o, const char *name);
/** Ask yes or no on the terminal; --yes and pipes... answer themselves: --yes true, no terminal false. */
bool lx_confirm(struct lx *lx, const char *question);
/** <datadir>/@name; lx_free it. */
char *lx_path(const struct lx *lx, const char *name);
/** A hash from hex; false: it is none. */
bool lx_parse_hash(const char *s, struct lx_hash *out);
/** A decimal number of digits alone; false: it is none, or too large. */
bool lx_parse_number(const char *s, uint64_t *out);
/** The genesis id that @who names: itself, or the id behind a user name. An exit status, errors printed. */
int lx_resolve_genesis(struct lx *lx, const char *who, struct lx_hash *out);
/** The same for who is trusted or given something: a user name must be that of a profile, an id need not. */
int lx_resolve_profile(struct lx *lx, const char *who, struct lx_hash *out);
/** @hash as hex into a static-size buffer of the caller. */
const char *lx_hex_of(const struct lx_hash *hash, char out[65]);

/** @word as it goes to stdout: coloured on a terminal (unless NO_COLOR), good green, bad red. */
enum lx_color { LX_GOOD, LX_BAD, LX_DOUBT };
const char *lx_color(enum lx_color color);
/** What ends a colour. */
const char *lx_color_off(void);
/** The number that option @name has, @def without it; false: wrong usage, said. */
bool lx_number_option(struct lx *lx, const char *name, uint64_t min, uint64_t max, uint64_t def, uint64_t *out);

/* A progress bar on a terminal, nothing in a pipe. */
struct lx_progress {
        const char *what;
        uint64_t total, done; /* bytes */
        uint64_t start_ms, shown_ms;
        bool on;
};
/** Begin. */
void lx_progress_begin(struct lx_progress *p, const char *what, uint64_t total);
/** @bytes more are done. Called from one thread. */
void lx_progress_add(struct lx_progress *p, uint64_t bytes);
/** Wipe the bar. */
void lx_progress_end(struct lx_progress *p);

/* What commands about registers share (cmd_register.c). */
struct lx_ops;
/** Says that @s is no address; LX_EXIT_USAGE. */
int lx_bad_address(struct lx *lx, const char *s);
/**
 * Hand in the operations and free them; then tell what was done with the register @known, or with the one of @type
 * that the first operation made.
 */
int lx_finish(struct lx *lx, struct lx_ops *ops, unsigned type, const struct lx_hash *known, const char *did);
/** The owner that a list is about, into @params: --owner, else, if @mine, who is logged in. */
int lx_owner_option(struct lx *lx, bool mine, json_t *params);
/** All pages of a list method; one line or one JSON object each. Takes @params over. */
int lx_show_list(struct lx *lx, const char *method, const char *list_name, json_t *params, const char *show);

/* The commands. */
int cmd_top(struct lx *lx);
int cmd_guard_status(struct lx *lx);
int cmd_guard_log(struct lx *lx);
int cmd_guard_why(struct lx *lx);
int cmd_guard_scan(struct lx *lx);
int cmd_guard_learn(struct lx *lx);
int cmd_guard_trust(struct lx *lx);
int cmd_status(struct lx *lx);
int cmd_stop(struct lx *lx);
int cmd_backup(struct lx *lx);
int cmd_restore(struct lx *lx);
int cmd_rpc(struct lx *lx);
int cmd_help(struct lx *lx);
int cmd_completion(struct lx *lx);
int cmd_profile_create(struct lx *lx);
int cmd_profile_show(struct lx *lx);
int cmd_profile_passwd(struct lx *lx);
int cmd_profile_recover(struct lx *lx);
int cmd_login(struct lx *lx);
int cmd_logout(struct lx *lx);
int cmd_genesis_create(struct lx *lx);
int cmd_keygen(struct lx *lx);
int cmd_trust_set(struct lx *lx);
int cmd_trust_publisher(struct lx *lx);
int cmd_trust_show(struct lx *lx);
int cmd_binary_publish(struct lx *lx);
int cmd_binary_approve(struct lx *lx);
int cmd_binary_revoke(struct lx *lx);
int cmd_binary_lookup(struct lx *lx);
int cmd_binary_verify(struct lx *lx);
int cmd_file_add(struct lx *lx);
int cmd_file_verify(struct lx *lx);
int cmd_file_update(struct lx *lx);
int cmd_file_root(struct lx *lx);
int cmd_file_prove(struct lx *lx);
int cmd_register_create(struct lx *lx);
int cmd_register_get(struct lx *lx);
int cmd_register_list(struct lx *lx);
int cmd_register_write(struct lx *lx);
int cmd_register_append(struct lx *lx);
int cmd_register_transfer(struct lx *lx);
int cmd_register_claim(struct lx *lx);
int cmd_register_history(struct lx *lx);
int cmd_register_prove(struct lx *lx);
int cmd_name_claim(struct lx *lx);
int cmd_name_resolve(struct lx *lx);
int cmd_name_list(struct lx *lx);
int cmd_token_create(struct lx *lx);
int cmd_token_send(struct lx *lx);
int cmd_token_receive(struct lx *lx);
int cmd_token_balance(struct lx *lx);
int cmd_prefix_claim(struct lx *lx);
int cmd_prefix_delegate(struct lx *lx);
int cmd_prefix_list(struct lx *lx);
int cmd_prefix_revoke(struct lx *lx);
int cmd_peer_list(struct lx *lx);
int cmd_peer_add(struct lx *lx);
int cmd_peer_ban(struct lx *lx);
int cmd_peer_unban(struct lx *lx);
int cmd_validator_propose(struct lx *lx);
int cmd_validator_sign(struct lx *lx);
int cmd_validator_submit(struct lx *lx);
int cmd_parameter_propose(struct lx *lx);
int cmd_parameter_sign(struct lx *lx);
int cmd_parameter_submit(struct lx *lx);
int cmd_eid_create(struct lx *lx);
int cmd_eid_show(struct lx *lx);
int cmd_eid_serve(struct lx *lx);
int cmd_eid_bind(struct lx *lx);
int cmd_eid_revoke(struct lx *lx);
int cmd_eid_rekey(struct lx *lx);
int cmd_node_propose(struct lx *lx);
int cmd_node_sign(struct lx *lx);
int cmd_node_submit(struct lx *lx);
int cmd_route_list(struct lx *lx);
int cmd_route_resolve(struct lx *lx);
int cmd_route_register(struct lx *lx);
int cmd_chain_head(struct lx *lx);
int cmd_chain_header(struct lx *lx);
int cmd_chain_block(struct lx *lx);
int cmd_chain_tx(struct lx *lx);
int cmd_chain_drop(struct lx *lx);
int cmd_chain_waiting(struct lx *lx);
int cmd_chain_export(struct lx *lx);
int cmd_chain_verify(struct lx *lx);
int cmd_chain_import(struct lx *lx);
int cmd_chain_broadcast(struct lx *lx);
/** Hand a pass to the light node; an exit status, all said. */
int lx_import_pass(struct lx *lx, struct lx_span bytes);
int lx_pass_export(struct lx *lx); /* chain export --light */
int cmd_contact_list(struct lx *lx);
int cmd_contact_next(struct lx *lx);

#endif
