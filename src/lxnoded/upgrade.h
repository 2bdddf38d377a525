/*
 * lxnoded/upgrade.h - another version of this program opens a data directory: by copy, and back again.
 *
 * <datadir>/VERSION names the version that opened the store last. Before another one touches the store it keeps
 * it as it was in <datadir>/before-upgrade (lld_keep: hard links and little else) and says so; without that copy
 * it does not start. UPGRADE, lines "from VERSION", "to VERSION", "ready 0|1", stands beside it until the upgrade
 * is confirmed: the first start that follows a start which became ready removes both. Until then
 * `lxnoded --rollback`, of any version that knows it, puts the copy back. Blobs are named by their content and
 * stay: none is removed and nothing is pruned before the confirmation. The consensus journal stays as it is: what
 * was signed was signed. Spec: doc/operations.md, "Upgrades".
 * Threads: before the loop runs, and on it.
 */
#ifndef LX_LXNODED_UPGRADE_H
#define LX_LXNODED_UPGRADE_H

#include "lxnoded/options.h"

#define UPGRADE_COPY "before-upgrade"

struct upgrade {
        bool open;          /* not confirmed yet: there is a copy to go back to */
        char from[40];      /* version that wrote the store before */
};

/** Before the store is opened. LX_ERR_FULL, LX_ERR_IO, LX_ERR_LOCKED, LX_ERR_DENIED: no copy, so nothing else. */
LX_MUST_CHECK enum lx_err upgrade_begin(
    const struct node_conf *conf, struct upgrade *out_upgrade, struct lx_why *why);
/** The store is open: this version's name is on it from now on, and an upgrade that may be confirmed is. */
LX_MUST_CHECK enum lx_err upgrade_opened(
    const struct node_conf *conf, const struct upgrade *upgrade, struct lx_why *why);
/** The node is ready: the next start may confirm. */
void upgrade_ready(const struct node_conf *conf, const struct upgrade *upgrade);
/**
 * --rollback, the node stopped; @solo: this node alone makes its chain's blocks, so that none may be lost.
 * Returns LX_OK, LX_ERR_ABSENT (nothing to go back to), LX_ERR_RULE (blocks would be lost), and as lld_put_back.
 */
LX_MUST_CHECK enum lx_err upgrade_rollback(const struct node_conf *conf, bool solo, struct lx_why *why);

#endif
