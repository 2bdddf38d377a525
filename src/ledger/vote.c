/* ledger/vote.c - see ledger/vote.h. */
#include "config.h"
#include "ledger/vote.h"

#include "base/mem.h"
#include "crypto/tags.h"

#include <string.h>

/* ---- votes ------------------------------------------------------------------------------------- */

void
ledger_ballot_encode(const struct ledger_ballot *ballot, struct lx_writer *wr)
{
        lx_write_u8(wr, (uint8_t)ballot->type);
        lx_write_u64(wr, ballot->height);
        lx_write_u32(wr, ballot->round);
        lx_write_hash(wr, &ballot->value);
        lx_write_u32(wr, ballot->valid_round);
        lx_write_u16(wr, ballot->voter);
        lx_write_bytes(wr, ballot->sig.b, LX_SIG_LEN);
}

/* A valid round is below its round, and only prevotes for a value have one. */
static bool
is_ballot(const struct ledger_ballot *b)
{
        if (b->type != LEDGER_VOTE_PREVOTE && b->type != LEDGER_VOTE_PRECOMMIT)
                return false;
        if (b->height == 0 || b->round > LEDGER_ROUND_MAX || b->voter >= SIGCHAIN_VALIDATORS_MAX)
                return false;
        if (b->valid_round == LEDGER_NO_ROUND)
                return true;
        return b->type == LEDGER_VOTE_PREVOTE && !lx_hash_is_zero(&b->value) &&
            b->valid_round < b->round;
}

static void
read_ballot(struct lx_reader *rd, struct ledger_ballot *out)
{
        out->type = (enum ledger_vote)lx_read_u8(rd);
        out->height = lx_read_u64(rd);
        out->round = lx_read_u32(rd);
        out->value = lx_read_hash(rd);
        out->valid_round = lx_read_u32(rd);
        out->voter = lx_read_u16(rd);
        lx_read_bytes(rd, out->sig.b, LX_SIG_LEN);
        if (rd->err == LX_OK && !is_ballot(out))
                lx_reader_fail(rd, LX_ERR_RANGE);
}

enum lx_err
ledger_ballot_decode(const uint8_t *bytes, size_t len, struct ledger_ballot *out_ballot)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        read_ballot(&rd, out_ballot);
        return lx_reader_end(&rd);
}

void
ledger_ballot_message(const struct lx_hash_ops *ops, const struct lx_hash *chain_id,
    const struct ledger_ballot *ballot, struct lx_hash *out)
{
        uint8_t bytes[1 + LX_HASH_LEN + 8 + 4 + LX_HASH_LEN + 4];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        if (ballot->type == LEDGER_VOTE_PRECOMMIT) {
                ledger_vote_message(ops, LEDGER_VOTE_PRECOMMIT, chain_id, ballot->height,
                    ballot->round, &ballot->value, out);
                return;
        }
        lx_write_u8(&wr, LEDGER_VOTE_PREVOTE);
        lx_write_hash(&wr, chain_id);
        lx_write_u64(&wr, ballot->height);
        lx_write_u32(&wr, ballot->round);
        lx_write_hash(&wr, &ballot->value);
        lx_write_u32(&wr, ballot->valid_round);
        lx_hash1(ops, &LX_TAG_VOTE, bytes, wr.len, out);
}

bool
ledger_ballot_verify(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct sigchain_valset *set, const struct ledger_ballot *ballot)
{
        struct lx_hash msg;

        if (ballot->voter >= set->count)
                return false;
        ledger_ballot_message(&ops->hash, chain_id, ballot, &msg);
        return ops->sig.verify(ops->sig.ctx, &set->v[ballot->voter].key, &msg, &ballot->sig);
}

/* ---- proposals --------------------------------------------------------------------------------- */

void
ledger_proposal_encode(const struct ledger_proposal *proposal, struct lx_writer *wr)
{
        uint8_t header[LEDGER_HEADER_LEN];

        ledger_header_encode(&proposal->header, header);
        lx_write_bytes(wr, header, sizeof(header));
        lx_write_u32(wr, proposal->round);
        lx_write_u32(wr, proposal->valid_round);
        lx_write_u16(wr, proposal->part_count);
        lx_write_hash(wr, &proposal->parts_root);
        lx_write_bytes(wr, proposal->sig.b, LX_SIG_LEN);
}

enum lx_err
ledger_proposal_decode(const uint8_t *bytes, size_t len, struct ledger_proposal *out)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct lx_span header = lx_read_span(&rd, LEDGER_HEADER_LEN);

        if (rd.err == LX_OK)
                lx_reader_fail(&rd, ledger_header_decode(header.p, header.len, &out->header));
        out->round = lx_read_u32(&rd);
        out->valid_round = lx_read_u32(&rd);
        out->part_count = lx_read_u16(&rd);
        out->parts_root = lx_read_hash(&rd);
        lx_read_bytes(&rd, out->sig.b, LX_SIG_LEN);
        if (rd.err == LX_OK &&
            (out->header.height == 0 || out->round > LEDGER_ROUND_MAX ||
                out->part_count > LEDGER_PARTS_MAX ||
                (out->valid_round != LEDGER_NO_ROUND && out->valid_round >= out->round)))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        return lx_reader_end(&rd);
}

void
ledger_proposal_message(const struct lx_hash_ops *ops, const struct ledger_proposal *proposal,
    struct lx_hash *out_value, struct lx_hash *out)
{
        uint8_t bytes[1 + LX_HASH_LEN + 8 + 4 + LX_HASH_LEN + 4 + 2 + LX_HASH_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_hash value;

        ledger_header_hash(ops, &proposal->header, &value);
        lx_write_u8(&wr, LEDGER_VOTE_PROPOSAL);
        lx_write_hash(&wr, &proposal->header.chain_id);
        lx_write_u64(&wr, proposal->header.height);
        lx_write_u32(&wr, proposal->round);
        lx_write_hash(&wr, &value);
        lx_write_u32(&wr, proposal->valid_round);
        lx_write_u16(&wr, proposal->part_count);
        lx_write_hash(&wr, &proposal->parts_root);
        lx_hash1(ops, &LX_TAG_VOTE, bytes, wr.len, out);
        if (out_value != NULL)
                *out_value = value;
}

/* ---- parts ------------------------------------------------------------------------------------- */

void
ledger_part_encode(const struct ledger_part *part, struct lx_writer *wr)
{
        lx_write_u64(wr, part->height);
        lx_write_hash(wr, &part->root);
        lx_write_u16(wr, part->count);
        lx_write_u16(wr, part->index);
        lx_write_u8(wr, (uint8_t)part->path.count);
        for (size_t i = 0; i < part->path.count; i++)
                lx_write_hash(wr, &part->path.hash[i]);
        lx_write_bytes(wr, part->bytes.p, part->bytes.len);
}

enum lx_err
ledger_part_decode(const uint8_t *bytes, size_t len, struct ledger_part *out)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        out->height = lx_read_u64(&rd);
        out->root = lx_read_hash(&rd);
        out->count = lx_read_u16(&rd);
        out->index = lx_read_u16(&rd);
        out->path.count = lx_read_u8(&rd);
        if (rd.err == LX_OK &&
            (out->count == 0 || out->count > LEDGER_PARTS_MAX || out->index >= out->count ||
                out->path.count > 6))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        for (size_t i = 0; i < out->path.count && rd.err == LX_OK; i++)
                out->path.hash[i] = lx_read_hash(&rd);
        out->bytes = lx_read_span(&rd, rd.left);
        if (rd.err != LX_OK)
                return rd.err;
        if (out->bytes.len == 0 || out->bytes.len > LEDGER_PART_MAX ||
            (out->index + 1 < out->count && out->bytes.len != LEDGER_PART_MAX))
                return LX_ERR_RANGE;
        return LX_OK;
}

bool
ledger_part_verify(const struct lx_hash_ops *ops, const struct ledger_part *part)
{
        struct lx_hash leaf;

        merkle_log_leaf(ops, part->bytes.p, part->bytes.len, &leaf);
        return merkle_log_verify(ops, &leaf, part->index, part->count, part->path.hash,
                   part->path.count, &part->root) == LX_OK;
}

size_t
ledger_parts_count(size_t len)
{
        size_t count = (len + LEDGER_PART_MAX - 1) / LEDGER_PART_MAX;

        return count <= LEDGER_PARTS_MAX ? count : 0;
}

static size_t
part_leaves(
    const struct lx_hash_ops *ops, struct lx_span bytes, struct lx_hash leaves[LEDGER_PARTS_MAX])
{
        size_t count = ledger_parts_count(bytes.len);

        for (size_t i = 0; i < count; i++) {
                size_t at = i * LEDGER_PART_MAX, len = bytes.len - at;

                merkle_log_leaf(ops, bytes.p + at, len < LEDGER_PART_MAX ? len : LEDGER_PART_MAX,
                    &leaves[i]);
        }
        return count;
}

void
ledger_parts_root(const struct lx_hash_ops *ops, struct lx_span bytes, struct lx_hash *out)
{
        struct lx_hash leaves[LEDGER_PARTS_MAX];

        merkle_log_root(ops, leaves, part_leaves(ops, bytes, leaves), out);
}

void
ledger_parts_make(const struct lx_hash_ops *ops, struct lx_span bytes, uint64_t height,
    size_t index, struct ledger_part *out)
{
        struct lx_hash leaves[LEDGER_PARTS_MAX];
        size_t count = part_leaves(ops, bytes, leaves), at = index * LEDGER_PART_MAX;
        size_t len = bytes.len - at;

        *out = (struct ledger_part){.height = height,
            .count = (uint16_t)count,
            .index = (uint16_t)index,
            .bytes = LX_SPAN(bytes.p + at, len < LEDGER_PART_MAX ? len : LEDGER_PART_MAX)};
        merkle_log_root(ops, leaves, count, &out->root);
        merkle_log_prove(ops, leaves, count, index, &out->path);
}

/* ---- round states ------------------------------------------------------------------------------ */

void
ledger_round_state_encode(const struct ledger_round_state *state, struct lx_writer *wr)
{
        lx_write_u64(wr, state->height);
        lx_write_u32(wr, state->round);
        lx_write_u8(wr, state->step);
        lx_write_hash(wr, &state->parts_root);
        lx_write_u16(wr, state->part_count);
        lx_write_bytes(wr, state->parts, (state->part_count + 7u) / 8);
        lx_write_u8(wr, (uint8_t)state->tally_count);
        for (size_t i = 0; i < state->tally_count; i++) {
                const struct ledger_tally *tally = &state->tally[i];

                lx_write_u8(wr, (uint8_t)tally->type);
                lx_write_u32(wr, tally->round);
                lx_write_u8(wr, tally->voters_len);
                lx_write_bytes(wr, tally->voters, tally->voters_len);
        }
}

/* The bits behind the last one of @count must be zero: one value, one encoding. */
static void
read_bitmap(struct lx_reader *rd, uint8_t *out, size_t count)
{
        lx_read_bytes(rd, out, (count + 7) / 8);
        if (rd->err == LX_OK && count % 8 != 0 && (out[count / 8] & (0xffu >> count % 8)) != 0)
                lx_reader_fail(rd, LX_ERR_FORMAT);
}

static void
read_tally(struct lx_reader *rd, struct ledger_tally *out)
{
        *out = (struct ledger_tally){.type = (enum ledger_vote)lx_read_u8(rd)};
        out->round = lx_read_u32(rd);
        out->voters_len = lx_read_u8(rd);
        if (rd->err == LX_OK &&
            (out->voters_len > LEDGER_VOTERS_BYTES || out->round > LEDGER_ROUND_MAX ||
                (out->type != LEDGER_VOTE_PREVOTE && out->type != LEDGER_VOTE_PRECOMMIT)))
                lx_reader_fail(rd, LX_ERR_RANGE);
        if (rd->err == LX_OK)
                lx_read_bytes(rd, out->voters, out->voters_len);
}

enum lx_err
ledger_round_state_decode(const uint8_t *bytes, size_t len, struct ledger_round_state *out)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        *out = (struct ledger_round_state){.height = lx_read_u64(&rd)};
        out->round = lx_read_u32(&rd);
        out->step = lx_read_u8(&rd);
        out->parts_root = lx_read_hash(&rd);
        out->part_count = lx_read_u16(&rd);
        if (rd.err == LX_OK &&
            (out->height == 0 || out->round > LEDGER_ROUND_MAX || out->step > 4 ||
                out->part_count > LEDGER_PARTS_MAX))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        if (rd.err == LX_OK)
                read_bitmap(&rd, out->parts, out->part_count);
        out->tally_count = lx_read_u8(&rd);
        if (rd.err == LX_OK && out->tally_count > LEDGER_TALLIES_MAX)
                lx_reader_fail(&rd, LX_ERR_RANGE);
        for (size_t i = 0; i < out->tally_count && rd.err == LX_OK; i++)
                read_tally(&rd, &out->tally[i]);
        return lx_reader_end(&rd);
}
