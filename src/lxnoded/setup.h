/*
 * lxnoded/setup.h - what a data directory needs before the node runs: key, genesis, cookie.
 */
#ifndef LX_LXNODED_SETUP_H
#define LX_LXNODED_SETUP_H

#include "keys/keyfile.h"
#include "lxnoded/options.h"

/** The path of @name in the data directory; free it with lx_free. */
char *setup_path(const struct node_conf *conf, const char *name);
/** The validator's key: from --validator-key, or of a dev chain (made on first start). LX_ERR_ABSENT: none. */
LX_MUST_CHECK enum lx_err setup_key(
    const struct node_conf *conf, struct keys_file *out_key, struct lx_why *why);
/** Canonical genesis bytes, appended; empty when the store must have them. */
LX_MUST_CHECK enum lx_err setup_genesis(const struct node_conf *conf, const struct keys_file *key,
    struct lx_buf *out, struct lx_why *why);
/** Whether addresses to listen at and to ask are well-formed, and RPC on this machine alone. LX_ERR_USAGE. */
LX_MUST_CHECK enum lx_err setup_check_places(const struct node_conf *conf, struct lx_why *why);
/** A new cookie "__cookie__:<64 hex>", written to <datadir>/.cookie; appended. */
LX_MUST_CHECK enum lx_err setup_cookie(
    const struct node_conf *conf, struct lx_buf *out, struct lx_why *why);
/** Log as @conf says: levels, and the file (stderr without one). LX_ERR_USAGE, LX_ERR_IO. */
LX_MUST_CHECK enum lx_err setup_log(const struct node_conf *conf, struct lx_why *why);
/** How often systemd wants to hear from us (half of what it allows), in ms; 0: not at all. */
uint64_t setup_watchdog_ms(void);
/** Tell systemd (NOTIFY_SOCKET), if it wants to know. */
void setup_notify(const char *state);

#endif
