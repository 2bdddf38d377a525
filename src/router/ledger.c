/* router/ledger.c - placement and the rlocs of registers; see router/ledger.h. */
#include "config.h"
#include "router/ledger.h"

#include "crypto/hash.h"
#include "crypto/tags.h"

#include <string.h>

void
router_place(const struct lx_hash *reg, struct router_node *nodes, size_t count)
{
        struct lx_hash rank[ROUTER_NODES_MAX];

        if (count > ROUTER_NODES_MAX)
                count = ROUTER_NODES_MAX;
        for (size_t i = 0; i < count; i++) {
                struct router_node node = nodes[i];
                struct lx_hash mine;
                size_t at = i;

                lx_hash_pair(&lx_crypto_ops()->hash, &LX_TAG_RENDEZVOUS, reg, &node.key, &mine);
                for (; at > 0 && lx_hash_cmp(&rank[at - 1], &mine) < 0; at--) {
                        rank[at] = rank[at - 1];
                        nodes[at] = nodes[at - 1];
                }
                rank[at] = mine;
                nodes[at] = node;
        }
}

bool
router_rlocs_decode(struct lx_span bytes, struct router_addr *out, size_t max, size_t *out_count)
{
        struct lx_reader rd = lx_reader_init(bytes.p, bytes.len);
        size_t count = 0;

        while (rd.left > 0 && rd.err == LX_OK) {
                struct router_addr addr = {.family = lx_read_u8(&rd)};

                if (addr.family != 4 && addr.family != 6)
                        return false;
                lx_read_bytes(&rd, addr.b, addr.family == 4 ? 4 : 16);
                (void)lx_read_u16(&rd);
                if (rd.err == LX_OK && count < max)
                        out[count++] = addr;
        }
        *out_count = count;
        return lx_reader_end(&rd) == LX_OK;
}

void
router_rlocs_encode(struct lx_writer *wr, const struct router_addr *addr, uint8_t priority)
{
        lx_write_u8(wr, addr->family);
        lx_write_bytes(wr, addr->b, addr->family == 4 ? 4 : 16);
        lx_write_u8(wr, priority);
        lx_write_u8(wr, 100);
}
