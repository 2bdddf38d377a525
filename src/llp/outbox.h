/*
 * llp/outbox.h - messages that wait to leave towards one peer: a bounded queue for each class.
 *
 * The first message of the first class that has one goes next (llp/message.h): a vote overtakes all
 * bulk that was queued before it. Within a class, first in first out. Threads: pure.
 */
#ifndef LX_LLP_OUTBOX_H
#define LX_LLP_OUTBOX_H

#include "base/hash.h"
#include "llp/message.h"

struct llp_letter;

struct llp_outbox {
        struct {
                struct llp_letter *first, *last;
                size_t bytes; /* of frames that wait, overhead included */
        } class[LLP_PRIO_COUNT_];
        size_t count;
};

/** Whether @len payload bytes of class @prio would be taken. */
bool llp_outbox_has_room(const struct llp_outbox *box, enum llp_prio prio, size_t len);
/** Queue a message (copied); false: no room. */
bool llp_outbox_put(
    struct llp_outbox *box, enum llp_prio prio, unsigned type, const void *bytes, size_t len);
/** The text of the frame that goes next (type and payload); an empty span with NULL: none waits. */
struct lx_span llp_outbox_next(const struct llp_outbox *box);
/** It is sealed: forget it. */
void llp_outbox_drop_next(struct llp_outbox *box);
/** Bytes that wait in class @prio. */
size_t llp_outbox_bytes(const struct llp_outbox *box, enum llp_prio prio);
/** Forget all. */
void llp_outbox_clear(struct llp_outbox *box);

#endif
