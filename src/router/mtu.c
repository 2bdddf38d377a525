/* router/mtu.c - see router/mtu.h. */
#include "config.h"
#include "router/mtu.h"

#include <string.h>

unsigned
router_mtu_find(const struct router_mtu *mtu, uint64_t now_ms, const struct router_addr *rloc)
{
        for (unsigned i = 0; i < mtu->count; i++)
                if (router_addr_eq(&mtu->path[i].rloc, rloc))
                        return mtu->path[i].until_ms > now_ms ? mtu->path[i].mtu : ROUTER_MTU_UNKNOWN;
        return ROUTER_MTU_UNKNOWN;
}

/* Not for secrets: who guesses it must have seen the frame, and then can do more harm than lower an MTU. */
static uint64_t
hash(const struct router_mtu *mtu, const struct router_addr *rloc, const uint8_t *frame)
{
        uint64_t h = mtu->seed ^ rloc->family, w[7] = {0};

        memcpy(w, frame, ROUTER_MTU_QUOTE);
        memcpy(w + 5, rloc->b, 16);
        for (unsigned i = 0; i < 7; i++) {
                h = (h ^ w[i]) * 0xff51afd7ed558ccdull;
                h ^= h >> 32;
        }
        return h;
}

void
router_mtu_sent(struct router_mtu *mtu, const struct router_addr *rloc, const uint8_t *frame, size_t len)
{
        if (len >= ROUTER_MTU_LARGE)
                mtu->sent[mtu->next++ % ROUTER_MTU_SENT] = hash(mtu, rloc, frame);
}

static bool
was_sent(const struct router_mtu *mtu, const struct router_addr *rloc, const uint8_t *quote, size_t len)
{
        uint64_t h;

        if (len < ROUTER_MTU_QUOTE)
                return false;
        h = hash(mtu, rloc, quote);
        for (unsigned i = 0; i < ROUTER_MTU_SENT; i++)
                if (mtu->sent[i] == h)
                        return true;
        return false;
}

bool
router_mtu_lower(struct router_mtu *mtu, uint64_t now_ms, const struct router_addr *rloc, unsigned value,
    const uint8_t *quote, size_t len, bool local)
{
        unsigned min = rloc->family == 4 ? ROUTER_MTU_MIN4 : ROUTER_MTU_MIN6, at = 0;

        if (value < min)
                value = min;
        if (value >= router_mtu_find(mtu, now_ms, rloc) || (!local && !was_sent(mtu, rloc, quote, len)))
                return false;
        while (at < mtu->count && !router_addr_eq(&mtu->path[at].rloc, rloc))
                at++;
        if (at == ROUTER_MTU_PATHS_MAX) {
                at = 0;
                for (unsigned i = 1; i < mtu->count; i++)
                        if (mtu->path[i].until_ms < mtu->path[at].until_ms)
                                at = i;
        } else if (at == mtu->count) {
                mtu->count++;
        }
        mtu->path[at].rloc = *rloc;
        mtu->path[at].mtu = value;
        mtu->path[at].until_ms = now_ms + ROUTER_MTU_HOLDS_MS;
        return true;
}
