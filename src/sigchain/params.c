/* sigchain/params.c - parameters and the genesis document; see sigchain/params.h. */
#include "config.h"
#include "sigchain/params.h"

#include "crypto/tags.h"
#include "sigchain/standard.h"

#include <string.h>

#define GENESIS_VERSION 1u
#define TEXT_MAX_BYTES 32
#define ULA 0xfd /* RFC 4193 3.1: the first byte of locally assigned prefixes */

static const struct sigchain_param_row ROWS[SIGCHAIN_PARAM_COUNT_] = {
    {0, NULL, 0, 0, 0, false},
    {SIGCHAIN_RULE_VERSION, "rule-version", 1, 1, 65535, false},
    {SIGCHAIN_FEE_UNIT, "fee-unit", 0, 0, 1ull << 40, false},
    {SIGCHAIN_STAMP_BITS, "stamp-bits", 0, 0, 40, false},
    {SIGCHAIN_BLOCK_BYTES, "block-bytes", 8u << 20, 1u << 17, 64u << 20, false},
    {SIGCHAIN_BLOCK_OPS, "block-ops", 20000, 100, 1000000, false},
    {SIGCHAIN_CHAIN_OPS, "chain-ops", 10000, 100, 1000000, false},
    {SIGCHAIN_INDEX_INSERTS, "index-inserts", 65536, 1024, 65536, false},
    {SIGCHAIN_MANIFEST_BYTES, "manifest-bytes", 16u << 20, 1u << 16, 16u << 20, false},
    {SIGCHAIN_TRUST_DAYS, "trust-days", 400, 1, 4000, true},
    {SIGCHAIN_KDF_NAME_MEM, "kdf-name-mem", 65536, 65536, 4u << 20, true},
    {SIGCHAIN_KDF_NAME_PASSES, "kdf-name-passes", 3, 3, 64, true},
    {SIGCHAIN_EVIDENCE_BLOCKS, "evidence-blocks", 100000, 1, 1ull << 32, false},
    {SIGCHAIN_HEARTBEAT_MS, "heartbeat-ms", 10000, 0, 86400000, false},
};

const struct sigchain_param_row *
sigchain_param_row(unsigned id)
{
        return id > 0 && id < SIGCHAIN_PARAM_COUNT_ ? &ROWS[id] : NULL;
}

void
sigchain_params_defaults(struct sigchain_params *out_params)
{
        for (unsigned id = 0; id < SIGCHAIN_PARAM_COUNT_; id++)
                out_params->value[id] = ROWS[id].def;
}

void
sigchain_params_encode(const struct sigchain_params *params, struct lx_writer *wr)
{
        lx_write_u16(wr, SIGCHAIN_PARAM_COUNT_ - 1);
        for (unsigned id = 1; id < SIGCHAIN_PARAM_COUNT_; id++) {
                lx_write_u16(wr, (uint16_t)id);
                lx_write_u64(wr, params->value[id]);
        }
}

static void
read_params(struct lx_reader *rd, struct sigchain_params *params)
{
        unsigned count = lx_read_u16(rd);
        unsigned before = 0;

        for (; count > 0 && rd->err == LX_OK; count--) {
                unsigned id = lx_read_u16(rd);
                uint64_t value = lx_read_u64(rd);
                const struct sigchain_param_row *row = sigchain_param_row(id);

                if (rd->err != LX_OK)
                        return;
                if (row == NULL || id <= before)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                else if (value < row->min || value > row->max)
                        lx_reader_fail(rd, LX_ERR_RANGE);
                else
                        params->value[id] = value;
                before = id;
        }
}

enum lx_err
sigchain_params_decode(const uint8_t *bytes, size_t len, struct sigchain_params *out_params)
{
        sigchain_params_defaults(out_params);
        return sigchain_params_change(bytes, len, out_params);
}

enum lx_err
sigchain_params_change(const uint8_t *bytes, size_t len, struct sigchain_params *params)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        read_params(&rd, params);
        return lx_reader_end(&rd);
}

void
sigchain_genesis_encode(const struct sigchain_genesis *g, struct lx_writer *wr)
{
        uint8_t set[SIGCHAIN_VALSET_BYTES_MAX];
        struct lx_writer set_wr = lx_writer_init(set, sizeof(set));

        sigchain_valset_encode(&g->validators, &set_wr);
        if (lx_writer_end(&set_wr) != LX_OK)
                lx_writer_fail(wr, set_wr.err);
        lx_write_u8(wr, GENESIS_VERSION);
        lx_write_str8(wr, LX_SPAN(g->network, strlen(g->network)));
        lx_write_u64(wr, g->time_ms);
        sigchain_params_encode(&g->params, wr);
        lx_write_var16(wr, LX_SPAN(set, set_wr.len));
        lx_write_str8(wr, LX_SPAN(g->token_name, strlen(g->token_name)));
        lx_write_u8(wr, g->token_decimals);
        lx_write_u64(wr, g->token_supply);
        lx_write_u16(wr, (uint16_t)g->allocation_count);
        for (size_t i = 0; i < g->allocation_count; i++) {
                lx_write_hash(wr, &g->allocation[i].genesis);
                lx_write_u64(wr, g->allocation[i].amount);
        }
        lx_write_bytes(wr, g->eid_prefix, sizeof(g->eid_prefix));
        lx_write_u16(wr, (uint16_t)g->root_count);
        for (size_t i = 0; i < g->root_count; i++) {
                lx_write_u32(wr, g->root[i].instance);
                lx_write_u8(wr, g->root[i].family);
                lx_write_bytes(wr, g->root[i].prefix, sizeof(g->root[i].prefix));
                lx_write_u8(wr, g->root[i].bits);
                lx_write_hash(wr, &g->root[i].owner);
        }
        if (wr->len > SIGCHAIN_GENESIS_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
}

/* Printable ASCII, at most 32 bytes. */
static void
read_text(struct lx_reader *rd, char out[TEXT_MAX_BYTES + 1])
{
        struct lx_span text = lx_read_str8(rd, TEXT_MAX_BYTES);

        for (size_t i = 0; i < text.len; i++) {
                if (text.p[i] < ' ' || text.p[i] > '~')
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                out[i] = (char)text.p[i];
        }
        out[text.len] = '\0';
}

static void
read_token(struct lx_reader *rd, struct sigchain_genesis *g)
{
        uint64_t sum = 0;

        read_text(rd, g->token_name);
        g->token_decimals = lx_read_u8(rd);
        g->token_supply = lx_read_u64(rd);
        g->allocation_count = lx_read_u16(rd);
        if (g->token_decimals > 18 || g->allocation_count > SIGCHAIN_ALLOCATIONS_MAX)
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (size_t i = 0; i < g->allocation_count && rd->err == LX_OK; i++) {
                g->allocation[i].genesis = lx_read_hash(rd);
                g->allocation[i].amount = lx_read_u64(rd);
                if (g->allocation[i].amount > g->token_supply - sum)
                        lx_reader_fail(rd, LX_ERR_RANGE);
                else
                        sum += g->allocation[i].amount;
                if (i > 0 &&
                    lx_hash_cmp(&g->allocation[i - 1].genesis, &g->allocation[i].genesis) >= 0)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
        }
        if (rd->err == LX_OK && sum != g->token_supply)
                lx_reader_fail(rd, LX_ERR_RANGE);
}

int
sigchain_root_prefix_cmp(const struct sigchain_root_prefix *x, const struct sigchain_root_prefix *y)
{
        int order = memcmp(x->prefix, y->prefix, sizeof(x->prefix)); /* public */

        if (x->instance != y->instance)
                return x->instance < y->instance ? -1 : 1;
        if (x->family != y->family)
                return x->family < y->family ? -1 : 1;
        return order != 0 ? order : (x->bits > y->bits) - (x->bits < y->bits);
}

static void
read_roots(struct lx_reader *rd, struct sigchain_genesis *g)
{
        g->root_count = lx_read_u16(rd);
        if (g->root_count > SIGCHAIN_ROOTS_MAX)
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (size_t i = 0; i < g->root_count && rd->err == LX_OK; i++) {
                struct sigchain_root_prefix *root = &g->root[i];

                root->instance = lx_read_u32(rd);
                root->family = lx_read_u8(rd);
                lx_read_bytes(rd, root->prefix, sizeof(root->prefix));
                root->bits = lx_read_u8(rd);
                root->owner = lx_read_hash(rd);
                if ((root->family != 4 && root->family != 6) ||
                    root->bits > (root->family == 4 ? 32 : 128))
                        lx_reader_fail(rd, LX_ERR_RANGE);
                if (rd->err == LX_OK && !sigchain_prefix_is_clean(root->prefix, root->bits))
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                if (i > 0 && sigchain_root_prefix_cmp(&g->root[i - 1], root) >= 0)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
        }
}

enum lx_err
sigchain_genesis_decode(const uint8_t *bytes, size_t len, struct sigchain_genesis *out_genesis)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct lx_span set;

        if (len > SIGCHAIN_GENESIS_MAX)
                return LX_ERR_RANGE;
        if (lx_read_u8(&rd) != GENESIS_VERSION)
                lx_reader_fail(&rd, LX_ERR_VERSION);
        read_text(&rd, out_genesis->network);
        if (rd.err == LX_OK && out_genesis->network[0] == '\0')
                lx_reader_fail(&rd, LX_ERR_RANGE);
        out_genesis->time_ms = lx_read_u64(&rd);
        if (out_genesis->time_ms > SIGCHAIN_TIME_MAX)
                lx_reader_fail(&rd, LX_ERR_RANGE);
        sigchain_params_defaults(&out_genesis->params);
        read_params(&rd, &out_genesis->params);
        set = lx_read_var16(&rd, SIGCHAIN_VALSET_BYTES_MAX);
        if (rd.err == LX_OK)
                lx_reader_fail(
                    &rd, sigchain_valset_decode(set.p, set.len, &out_genesis->validators));
        read_token(&rd, out_genesis);
        lx_read_bytes(&rd, out_genesis->eid_prefix, sizeof(out_genesis->eid_prefix));
        if (rd.err == LX_OK && out_genesis->eid_prefix[0] != ULA)
                lx_reader_fail(&rd, LX_ERR_RANGE);
        read_roots(&rd, out_genesis);
        return lx_reader_end(&rd);
}

void
sigchain_chain_id(
    const struct lx_hash_ops *ops, const uint8_t *bytes, size_t len, struct lx_hash *out)
{
        lx_hash1(ops, &LX_TAG_CHAIN_ID, bytes, len, out);
}
