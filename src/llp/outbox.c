/* llp/outbox.c - see llp/outbox.h. */
#include "config.h"
#include "llp/outbox.h"

#include "base/assert.h"
#include "base/mem.h"
#include "llp/frame.h"

#include <string.h>

struct llp_letter {
        struct llp_letter *next;
        size_t len; /* of the text */
        uint8_t text[];
};

static size_t
cost(size_t payload_len)
{
        return payload_len + LLP_MESSAGE_HEAD_LEN + LLP_FRAME_OVERHEAD + sizeof(struct llp_letter);
}

bool
llp_outbox_has_room(const struct llp_outbox *box, enum llp_prio prio, size_t len)
{
        return box->class[prio].bytes + cost(len) <= llp_class_queue_max(prio);
}

bool
llp_outbox_put(
    struct llp_outbox *box, enum llp_prio prio, unsigned type, const void *bytes, size_t len)
{
        struct llp_letter *letter;

        lx_assert(len <= LLP_PAYLOAD_MAX);
        if (!llp_outbox_has_room(box, prio, len))
                return false;
        letter = lx_alloc(sizeof(*letter) + LLP_MESSAGE_HEAD_LEN + len);
        letter->len = LLP_MESSAGE_HEAD_LEN + len;
        letter->text[0] = (uint8_t)(type >> 8);
        letter->text[1] = (uint8_t)type;
        if (len > 0)
                memcpy(letter->text + LLP_MESSAGE_HEAD_LEN, bytes, len);
        if (box->class[prio].last != NULL)
                box->class[prio].last->next = letter;
        else
                box->class[prio].first = letter;
        box->class[prio].last = letter;
        box->class[prio].bytes += cost(len);
        box->count++;
        return true;
}

/* The class that goes next; LLP_PRIO_COUNT_: nothing waits. */
static unsigned
first_class(const struct llp_outbox *box)
{
        unsigned prio = 0;

        while (prio < LLP_PRIO_COUNT_ && box->class[prio].first == NULL)
                prio++;
        return prio;
}

struct lx_span
llp_outbox_next(const struct llp_outbox *box)
{
        unsigned prio = first_class(box);

        if (prio == LLP_PRIO_COUNT_)
                return LX_SPAN(NULL, 0);
        return LX_SPAN(box->class[prio].first->text, box->class[prio].first->len);
}

void
llp_outbox_drop_next(struct llp_outbox *box)
{
        unsigned prio = first_class(box);
        struct llp_letter *letter;

        if (prio == LLP_PRIO_COUNT_)
                return;
        letter = box->class[prio].first;
        box->class[prio].first = letter->next;
        if (letter->next == NULL)
                box->class[prio].last = NULL;
        box->class[prio].bytes -= cost(letter->len - LLP_MESSAGE_HEAD_LEN);
        box->count--;
        lx_free(letter);
}

size_t
llp_outbox_bytes(const struct llp_outbox *box, enum llp_prio prio)
{
        return box->class[prio].bytes;
}

void
llp_outbox_clear(struct llp_outbox *box)
{
        while (box->count > 0)
                llp_outbox_drop_next(box);
}
