/*
 * lxnoded/move.h - a validator moves to another machine and never signs twice.
 *
 * What it has signed is in <datadir>/consensus. Handing over copies that into a new directory, after it has
 * written <datadir>/MOVED: from then on no lxnoded signs from this data directory. Taking over puts it into a
 * data directory without such a record, after it has marked the directory it came from: it can be taken once.
 * Both run with the node stopped, and may be run again after a power cut. The key is carried by its owner.
 */
#ifndef LX_LXNODED_MOVE_H
#define LX_LXNODED_MOVE_H

#include "lxnoded/options.h"

/** Hand over into @to (made; empty, or from a hand-over that was cut short). LX_ERR_ABSENT: nothing was signed here. */
LX_MUST_CHECK enum lx_err move_hand_over(const struct node_conf *conf, const char *to, struct lx_why *why);
/**
 * Take over from @from. LX_ERR_ABSENT: nothing there; LX_ERR_EXISTS: taken already, or there is a record here
 * that was not handed over.
 */
LX_MUST_CHECK enum lx_err move_take_over(const struct node_conf *conf, const char *from, struct lx_why *why);
/** Whether this data directory's validator has moved away: LX_ERR_RULE with what to do, else LX_OK. */
LX_MUST_CHECK enum lx_err move_check(const struct node_conf *conf, struct lx_why *why);

#endif
