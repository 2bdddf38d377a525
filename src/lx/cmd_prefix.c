/* lx/cmd_prefix.c - address prefixes of the overlay: delegated, taken, bound to EIDs, taken back. */
#include "config.h"
#include "lx/lx.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "lx/wallet.h"
#include "sigchain/apply.h"
#include "sigchain/standard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct prefix {
        uint64_t instance, bits;
        unsigned family;
        uint8_t addr[16];
};

/* "ADDRESS/BITS" */
static bool
read_prefix(const char *text, struct prefix *out)
{
        const char *slash = strchr(text, '/');
        char host[64];

        *out = (struct prefix){.family = strchr(text, ':') != NULL ? 6 : 4};
        if (slash == NULL || (size_t)(slash - text) >= sizeof(host))
                return false;
        (void)snprintf(host, sizeof(host), "%.*s", (int)(slash - text), text);
        return inet_pton(out->family == 6 ? AF_INET6 : AF_INET, host, out->addr) == 1 &&
            lx_parse_number(slash + 1, &out->bits) && out->bits <= (out->family == 6 ? 128 : 32);
}

/* With --instance. */
static bool
read_argument(struct lx *lx, struct prefix *out)
{
        const char *instance = lx_option(lx, "instance");

        return read_prefix(lx->args[0], out) &&
            (instance == NULL || (lx_parse_number(instance, &out->instance) && out->instance <= UINT32_MAX));
}

static int
bad_prefix(struct lx *lx)
{
        return lx_fail(lx, LX_EXIT_USAGE, "\"%.60s\" is no prefix (ADDRESS/BITS)", lx->args[0]);
}

/* @p and @eid outlive the object. */
static void
put_fields(const struct prefix *p, const struct lx_hash *eid, struct sigchain_object *o)
{
        lx_field_u64(o, "instance", SIGCHAIN_FIXED, p->instance);
        lx_field_u64(o, "family", SIGCHAIN_FIXED, p->family);
        lx_field_bytes(o, "prefix", SIGCHAIN_FIXED, LX_SPAN(p->addr, 16));
        lx_field_u64(o, "bits", SIGCHAIN_FIXED, p->bits);
        lx_field_hash(o, "eid", SIGCHAIN_ADDRESS, SIGCHAIN_MUTABLE, eid);
}

static void
address_of(const struct prefix *p, struct lx_hash *out)
{
        uint8_t key[32];
        struct lx_writer wr = lx_writer_init(key, sizeof(key));

        lx_write_u32(&wr, (uint32_t)p->instance);
        lx_write_u8(&wr, (uint8_t)p->family);
        lx_write_bytes(&wr, p->addr, 16);
        lx_write_u8(&wr, (uint8_t)p->bits);
        sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_PREFIX, key, wr.len, out);
}

int
cmd_prefix_claim(struct lx *lx)
{
        return cmd_register_claim(lx);
}

/* A prefix of one's own is made, and offered in the same transaction. */
int
cmd_prefix_delegate(struct lx *lx)
{
        static const struct lx_hash none = {{0}};
        struct sigchain_op_body offer = {.type = SIGCHAIN_OP_TRANSFER};
        struct sigchain_object *o;
        struct lx_ops *ops;
        struct prefix p;
        int status;

        if (!read_argument(lx, &p))
                return bad_prefix(lx);
        status = lx_resolve_profile(lx, lx->args[1], &offer.u.transfer.to);
        if (status != LX_EXIT_TRUE)
                return status;
        o = lx_alloc(sizeof(*o));
        ops = lx_alloc(sizeof(*ops));
        put_fields(&p, &none, o);
        lx_ops_create(ops, SIGCHAIN_PREFIX, o);
        lx_free(o);
        address_of(&p, &offer.u.transfer.address);
        lx_ops_add(ops, &offer);
        return lx_finish(lx, ops, 0, &offer.u.transfer.address, "prefix made and offered");
}

int
cmd_prefix_revoke(struct lx *lx)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CLAIM};
        struct lx_ops *ops;
        struct prefix p;

        if (!lx_parse_hash(lx->args[0], &body.u.claim.address)) {
                if (!read_argument(lx, &p))
                        return bad_prefix(lx);
                address_of(&p, &body.u.claim.address);
        }
        ops = lx_alloc(sizeof(*ops));
        lx_ops_add(ops, &body);
        return lx_finish(lx, ops, 0, &body.u.claim.address, "taken back, reached nowhere");
}

int
cmd_prefix_list(struct lx *lx)
{
        json_t *params = json_pack("{s:i,s:s}", "limit", 1000, "standard", "prefix");
        int status = lx_owner_option(lx, false, params);

        if (status == LX_EXIT_TRUE)
                return lx_show_list(lx, "register.list", "registers", params, "prefix");
        json_decref(params);
        return status;
}

/* The prefix, which may be made by this inside one of ours, is reached where the EID is. */
int
cmd_eid_bind(struct lx *lx)
{
        bool none = strcmp(lx->args[1], "none") == 0;
        struct lx_hash register_, eid = {{0}};
        struct lx_receipt receipt;
        struct lx_hash genesis;
        struct sigchain_object *o;
        struct lx_ops *ops;
        struct prefix p;
        int status;

        if (!none && !lx_parse_hash(lx->args[1], &eid))
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is neither the address of an EID's register nor none",
                    lx->args[1]);
        o = lx_alloc(sizeof(*o));
        ops = lx_alloc(sizeof(*ops));
        if (lx_parse_hash(lx->args[0], &register_)) {
                lx_field_hash(o, "eid", SIGCHAIN_ADDRESS, SIGCHAIN_MUTABLE, &eid);
                lx_ops_write(ops, &register_, o);
        } else if (read_prefix(lx->args[0], &p)) {
                put_fields(&p, &eid, o);
                lx_ops_create(ops, SIGCHAIN_PREFIX, o);
        } else {
                lx_free(ops);
                lx_free(o);
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is neither a prefix (ADDRESS/BITS) nor the address of its "
                    "register", lx->args[0]);
        }
        lx_free(o);
        status = lx_submit_plain(lx, ops, &receipt, &genesis);
        lx_ops_clear(ops);
        lx_free(ops);
        if (status == LX_EXIT_TRUE && !lx->json)
                printf("%s is reached %s\n", lx->args[0], none ? "nowhere" : "where the EID is");
        return status;
}
