/* lxnoded/overlay_ledger.c - what the router asks of the ledger. */
#include "config.h"
#include "lxnoded/overlay_int.h"

#include "crypto/hash.h"
#include "merkle/log.h"
#include "merkle/trie.h"
#include "sigchain/apply.h"
#include "sigchain/standard.h"

#include <string.h>

#define NODE_ROLE_SERVES 1u  /* bit of a node register's roles */
#define PAGE 256u            /* registers listed at once */
#define SCANNED_MAX 1048576u /* registers of one type that are looked at */

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- registers ----------------------------------------------------------------------------------- */

enum lx_err
overlay_read_object(struct ledger_view *view, const struct lx_hash *address, struct lx_buf *buf,
    struct sigchain_object *out)
{
        struct sigchain_register reg;
        enum lx_err err = ledger_get_state(
            view, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, LEDGER_NOW, buf, NULL);

        if (err == LX_OK)
                err = sigchain_register_decode(buf->p, buf->len, &reg);
        if (err == LX_OK)
                err = sigchain_object_decode(reg.data, out);
        return err;
}

static bool
get_bytes(const struct sigchain_object *object, const char *name, uint8_t *out, size_t len)
{
        const struct sigchain_field *field = sigchain_object_find(object, name);

        if (field == NULL || field->bytes.len != len)
                return false;
        memcpy(out, field->bytes.p, len);
        return true;
}

static bool
is_zero(const uint8_t *bytes, size_t len)
{
        uint8_t sum = 0;

        for (size_t i = 0; i < len; i++)
                sum |= bytes[i];
        return sum == 0;
}

enum lx_err
overlay_read_eid(struct ledger_view *view, const struct lx_hash *address, struct router_owner *out)
{
        struct lx_buf buf = {0};
        struct sigchain_object object;
        uint64_t ttl = 0, sealed = 0, iid = 0;
        size_t homes = 0;
        enum lx_err err = overlay_read_object(view, address, &buf, &object);

        if (err == LX_OK) {
                const struct sigchain_field *rlocs = sigchain_object_find(&object, "rlocs");

                out->host.family = 6;
                if (!get_bytes(&object, "key", out->key.b, LX_PUBKEY_LEN) ||
                    !get_bytes(&object, "eid", out->host.b, 16) ||
                    !sigchain_object_get_u64(&object, "ttl", &ttl) ||
                    !sigchain_object_get_u64(&object, "sealed", &sealed) ||
                    !sigchain_object_get_u64(&object, "instance", &iid))
                        err = LX_ERR_FORMAT;
                else if (is_zero(out->key.b, LX_PUBKEY_LEN))
                        err = LX_ERR_ABSENT;
                else if (rlocs != NULL && router_rlocs_decode(rlocs->bytes, out->home, ROUTER_HOMES_MAX, &homes))
                        out->home_count = (uint8_t)homes;
                out->sealed = sealed != 0;
                out->ttl_min = ttl > 0 && ttl < 1440 ? (uint32_t)ttl : 60;
        }
        lx_buf_clear(&buf);
        return err;
}

void
overlay_eid_address(uint32_t iid, const struct router_addr *addr, struct lx_hash *out)
{
        uint8_t key[20];
        struct lx_writer wr = lx_writer_init(key, sizeof(key));

        lx_write_u32(&wr, iid);
        lx_write_bytes(&wr, addr->b, 16);
        sigchain_address(ops(), SIGCHAIN_EID, key, wr.len, out);
}

/* ---- owners -------------------------------------------------------------------------------------- */

/* The least specific hole around an address, out of the trie's own proof. */
static void
read_hole(struct overlay *o, uint32_t iid, const struct router_addr *addr, const struct lx_buf *proof,
    struct router_eid *out)
{
        uint8_t key[5];
        struct lx_writer wr = lx_writer_init(key, sizeof(key));
        struct merkle_bits at = {.len = addr->family == 4 ? 32 : 128}, hole;
        struct lx_reader rd = lx_reader_init(proof->p, proof->len);
        struct lx_hash root, value;
        struct lx_buf state = {0};
        bool found = true;

        lx_write_u32(&wr, iid);
        lx_write_u8(&wr, addr->family);
        memcpy(at.b, addr->b, 16);
        if (ledger_get_state(o->view, SIGCHAIN_KIND_TRIE, key, sizeof(key), LEDGER_NOW, &state, NULL) == LX_OK &&
            state.len == LX_HASH_LEN) {
                memcpy(root.b, state.p, LX_HASH_LEN);
                if (merkle_trie_verify(ops(), &rd, &root, &at, &hole, &value, &found) == LX_OK && !found) {
                        out->bits = hole.len;
                        router_addr_mask(&out->addr, hole.len);
                }
        }
        lx_buf_clear(&state);
}

static enum lx_err
find_prefix(struct overlay *o, uint32_t iid, const struct router_addr *addr, struct router_owner *out)
{
        struct lx_buf proof = {0}, buf = {0};
        struct sigchain_object object;
        struct lx_hash eid;
        uint64_t bits = 0;
        bool found = false;
        enum lx_err err = ledger_match_prefix(o->view, iid, addr->family, addr->b, &out->reg, &found, &proof);

        if (err == LX_OK && !found) {
                read_hole(o, iid, addr, &proof, &out->eid);
                err = LX_ERR_ABSENT;
        }
        if (err == LX_OK)
                err = overlay_read_object(o->view, &out->reg, &buf, &object);
        if (err == LX_OK && (!sigchain_object_get_u64(&object, "bits", &bits) ||
                                !sigchain_object_get_hash(&object, "eid", &eid) ||
                                !get_bytes(&object, "prefix", out->eid.addr.b, 16)))
                err = LX_ERR_ABSENT;
        if (err == LX_OK) {
                out->eid.bits = (uint8_t)bits;
                err = lx_hash_is_zero(&eid) ? LX_ERR_ABSENT : overlay_read_eid(o->view, &eid, out);
        }
        lx_buf_clear(&proof);
        lx_buf_clear(&buf);
        return err;
}

static enum lx_err
look_up(struct overlay *o, uint32_t iid, const struct router_addr *addr, struct router_owner *out)
{
        *out = (struct router_owner){.eid = router_eid_host(iid, addr)};
        if (addr->family == 6 &&
            memcmp(addr->b, ledger_genesis(o->ledger)->eid_prefix, 4) == 0) { /* public */
                overlay_eid_address(iid, addr, &out->reg);
                return overlay_read_eid(o->view, &out->reg, out);
        }
        return find_prefix(o, iid, addr, out);
}

static enum lx_err
owner(void *arg, uint32_t iid, const struct router_addr *addr, struct router_owner *out)
{
        struct overlay *o = arg;
        uint64_t w[2];
        struct remembered *m;

        memcpy(w, addr->b, 16);
        m = &o->memory[((w[0] ^ w[1] ^ iid) * 0x9e3779b97f4a7c15ull >> 40) % OVERLAY_MEMORY];
        if (!m->used || m->iid != iid || !router_addr_eq(&m->addr, addr)) {
                m->used = true;
                m->iid = iid;
                m->addr = *addr;
                m->err = look_up(o, iid, addr, &m->owner);
        }
        *out = m->owner;
        return m->err == LX_OK ? LX_OK : LX_ERR_ABSENT;
}

/* ---- the rest of what the router asks ------------------------------------------------------------- */

static bool
header(void *arg, const struct lx_hash *hash, uint64_t *out_time_ms)
{
        struct overlay *o = arg;
        struct ledger_header found;
        uint64_t height;

        if (ledger_find_header(o->view, hash, &height) != LX_OK ||
            ledger_get_header(o->view, height, &found) != LX_OK)
                return false;
        *out_time_ms = found.time_ms;
        return true;
}

static uint64_t
tip(void *arg, struct lx_hash *out_header)
{
        struct overlay *o = arg;

        *out_header = *ledger_view_header_hash(o->view);
        return ledger_view_header(o->view)->time_ms;
}

static size_t
nodes(void *arg, struct router_node *out, size_t max)
{
        struct overlay *o = arg;
        size_t count = o->node_count < max ? o->node_count : max;

        memcpy(out, o->node, count * sizeof(*out));
        return count;
}

/* A node that serves mappings, out of its register. */
static void
take_node(struct overlay *o, const struct lx_hash *address)
{
        struct router_node *node = &o->node[o->node_count];
        struct lx_buf buf = {0};
        struct sigchain_object object;
        struct router_addr rloc;
        uint64_t roles = 0;
        size_t count = 0;

        if (o->node_count < ROUTER_NODES_MAX && overlay_read_object(o->view, address, &buf, &object) == LX_OK) {
                const struct sigchain_field *rlocs = sigchain_object_find(&object, "rlocs");

                if (rlocs != NULL && router_rlocs_decode(rlocs->bytes, &rloc, 1, &count) && count > 0 &&
                    sigchain_object_get_u64(&object, "roles", &roles) && (roles & NODE_ROLE_SERVES) != 0 &&
                    get_bytes(&object, "key", node->key.b, LX_HASH_LEN)) {
                        node->at = (struct router_at){rloc, ROUTER_PORT_CONTROL};
                        o->node_count++;
                }
        }
        lx_buf_clear(&buf);
}

/* A prefix whose register names one of our EIDs. */
static void
take_prefix(struct overlay *o, const struct lx_hash *address)
{
        struct router_prefix *p = &o->prefix[o->prefix_count];
        struct lx_buf buf = {0};
        struct sigchain_object object;
        struct lx_hash eid;
        uint64_t family = 0, bits = 0, iid = 0;

        if (o->prefix_count < ROUTER_PREFIXES_MAX && overlay_read_object(o->view, address, &buf, &object) == LX_OK &&
            sigchain_object_get_hash(&object, "eid", &eid) && sigchain_object_get_u64(&object, "family", &family) &&
            sigchain_object_get_u64(&object, "bits", &bits) && sigchain_object_get_u64(&object, "instance", &iid) &&
            get_bytes(&object, "prefix", p->eid.addr.b, 16)) {
                p->eid.addr.family = (uint8_t)family;
                p->eid.bits = (uint8_t)bits;
                p->eid.iid = (uint32_t)iid;
                for (size_t i = 0; i < o->identity_count; i++) {
                        if (!lx_hash_eq(&o->identity[i], &eid))
                                continue;
                        p->identity = (uint8_t)i;
                        o->prefix_count++;
                        break;
                }
        }
        lx_buf_clear(&buf);
}

/* Every register of @type: anybody may make some, so that the first few are not enough. */
static void
scan(struct overlay *o, unsigned type, void (*take)(struct overlay *o, const struct lx_hash *address))
{
        struct lx_hash page[PAGE], after;
        size_t count = 0, seen = 0;

        while (seen < SCANNED_MAX &&
               ledger_list_type(o->view, type, seen > 0 ? &after : NULL, page, PAGE, &count) == LX_OK && count > 0) {
                for (size_t i = 0; i < count; i++)
                        take(o, &page[i]);
                after = page[count - 1];
                seen += count;
                if (count < PAGE)
                        break;
        }
}

/* Whether what the last scan found still stands: since then came one block, and it is empty. */
static bool
nothing_new(const struct overlay *o)
{
        const struct ledger_header *header = ledger_view_header(o->view);
        struct lx_hash empty;

        if (!o->scanned || header->height == o->scanned_height)
                return o->scanned;
        merkle_log_empty_root(ops(), &empty);
        return header->height == o->scanned_height + 1 && lx_hash_eq(&header->tx_root, &empty);
}

void
overlay_refresh(void *arg)
{
        struct overlay *o = arg;

        ledger_view_unref(o->view);
        o->view = ledger_view_new(o->ledger);
        memset(o->memory, 0, OVERLAY_MEMORY * sizeof(*o->memory));
        if (!nothing_new(o)) {
                o->node_count = o->prefix_count = 0;
                scan(o, SIGCHAIN_NODE, take_node);
                if (o->identity_count > 0)
                        scan(o, SIGCHAIN_PREFIX, take_prefix);
        }
        o->scanned = true;
        o->scanned_height = ledger_view_header(o->view)->height;
}

size_t
overlay_prefixes(void *arg, struct router_prefix *out, size_t max)
{
        const struct overlay *o = arg;
        size_t count = o->prefix_count < max ? o->prefix_count : max;

        memcpy(out, o->prefix, count * sizeof(*out));
        return count;
}

struct router_ledger
overlay_questions(struct overlay *o)
{
        return (struct router_ledger){.chain_id = *ledger_chain_id(o->ledger), .owner = owner, .header = header,
            .tip = tip, .nodes = nodes, .arg = o};
}
