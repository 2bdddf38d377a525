/*
 * tests/unit/check_ledger.c - src/ledger over the memory engine: blocks, proofs, checks, pruning, and
 * the failure of the n-th write, sync and read for every n.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "kit/author.h"
#include "ledger/kinds.h"
#include "ledger/ledger.h"
#include "ledger/maintain.h"
#include "lld/mem.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

struct chain {
        struct lld_disk *disk;
        struct lld *db;
        struct ledger *ledger;
        uint8_t validator[32];
        struct author author;
        struct lx_buf document;
};

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static enum lx_err
open_chain(struct chain *c, struct lx_why *why)
{
        struct lld_options options = {
            .kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct ledger_options ledger = {.genesis = c->document.p, .genesis_len = c->document.len};
        enum lx_err err = lld_mem_open(c->disk, &options, &c->db, why);

        ledger.db = c->db;
        return err == LX_OK ? ledger_open(&ledger, &c->ledger, why) : err;
}

static void
close_chain(struct chain *c)
{
        ledger_close(c->ledger);
        lld_close(c->db);
        c->ledger = NULL;
        c->db = NULL;
}

static void
begin(struct chain *c)
{
        struct lx_why why = {{0}};

        *c = (struct chain){.disk = lld_disk_new(0)};
        kit_validator_key(0, c->validator);
        kit_genesis(1, NULL, "\"heartbeat-ms\":0", &c->document);
        ck_assert_msg(open_chain(c, &why) == LX_OK, "%s", why.text);
        author_init(&c->author, 1, ledger_chain_id(c->ledger));
}

static void
end(struct chain *c)
{
        close_chain(c);
        lld_disk_free(c->disk);
        author_clear(&c->author);
        lx_buf_clear(&c->document);
}

/* The author's next transaction: the first makes the crypto register, others a raw one. */
static void
make_tx(struct chain *c, struct lx_buf *out, struct lx_hash *out_address)
{
        if (c->author.sequence == 0)
                author_begin(&c->author, out, NULL);
        else
                author_create_raw(&c->author, "hello", 5, out, NULL, out_address);
}

static enum lx_err
commit(struct chain *c, struct ledger_candidate *candidate, struct lx_why *why)
{
        uint8_t cert[4 + 1 + LX_SIG_LEN];
        struct lx_writer wr = lx_writer_init(cert, sizeof(cert));
        const struct ledger_header *h = ledger_candidate_header(candidate);
        struct lx_hash hash, msg;
        struct lx_sig sig;

        ledger_header_hash(ops(), h, &hash);
        ledger_vote_message(ops(), LEDGER_VOTE_PRECOMMIT, &h->chain_id, h->height, 0, &hash, &msg);
        ck_assert_int_eq(lx_sign(c->validator, &msg, NULL, &sig), LX_OK);
        lx_write_u32(&wr, 0);
        lx_write_u8(&wr, 0x80);
        lx_write_bytes(&wr, sig.b, LX_SIG_LEN);
        return ledger_commit(c->ledger, candidate, cert, wr.len, why);
}

/* One block with the chain's next transaction. */
static enum lx_err
add_block(struct chain *c, struct lx_hash *out_address, struct lx_why *why)
{
        struct chain before = *c;
        struct ledger_candidate *candidate = NULL;
        struct lx_buf bytes = {0};
        struct ledger_tx tx = {0};
        enum lx_err err;

        make_tx(c, &bytes, out_address);
        tx.bytes = bytes.p;
        tx.len = bytes.len;
        err = ledger_build(c->ledger, &tx, 1, 0, &candidate, why);
        if (err == LX_OK && tx.result != LX_OK) {
                lx_why_set(why, "%s", tx.why.text);
                ledger_candidate_free(candidate);
                err = tx.result;
        } else if (err == LX_OK) {
                err = commit(c, candidate, why);
        }
        if (err != LX_OK) { /* it is not in the ledger: the author begins again where it was */
                c->author.last = before.author.last;
                c->author.sequence = before.author.sequence;
        }
        lx_buf_clear(&bytes);
        return err;
}

static void
check_sound(struct chain *c, uint64_t height)
{
        struct ledger_view *view = ledger_view_new(c->ledger);
        struct lx_why why = {{0}};

        ck_assert_uint_eq(ledger_view_header(view)->height, height);
        ledger_view_unref(view);
        ck_assert_msg(ledger_check_all(c->ledger, NULL, NULL, NULL, &why) == LX_OK, "%s", why.text);
}

START_TEST(blocks_are_kept_proven_and_checked)
{
        struct chain c;
        struct lx_hash address;
        struct lx_why why = {{0}};
        struct ledger_view *view;
        struct lx_buf value = {0}, proof = {0};
        struct lx_hash key, hash;
        struct lx_reader rd;
        uint64_t since = 0;

        begin(&c);
        for (int i = 0; i < 20; i++)
                ck_assert_msg(add_block(&c, &address, &why) == LX_OK, "%s", why.text);
        close_chain(&c);
        ck_assert_int_eq(open_chain(&c, &why), LX_OK);
        check_sound(&c, 20);
        view = ledger_view_new(c.ledger);
        ck_assert_int_eq(ledger_get_state(view, SIGCHAIN_KIND_REGISTER, address.b, 32, LEDGER_NOW, &value, &since), LX_OK);
        ck_assert_uint_eq(since, 20);
        ck_assert_int_eq(ledger_prove_state(view, SIGCHAIN_KIND_REGISTER, address.b, 32, LEDGER_NOW, &proof), LX_OK);
        sigchain_state_key(ops(), SIGCHAIN_KIND_REGISTER, address.b, 32, &key);
        sigchain_state_value(ops(), value.p, value.len, &hash);
        rd = lx_reader_init(proof.p, proof.len);
        ck_assert_int_eq(merkle_proof_verify(ops(), &rd, &key, &hash, &ledger_view_header(view)->state_root), LX_OK);
        /* Before it was made it was absent, and provably so. */
        lx_buf_reset(&value);
        lx_buf_reset(&proof);
        ck_assert_int_eq(ledger_get_state(view, SIGCHAIN_KIND_REGISTER, address.b, 32, 19, &value, &since), LX_ERR_ABSENT);
        ck_assert_int_eq(ledger_prove_state(view, SIGCHAIN_KIND_REGISTER, address.b, 32, 19, &proof), LX_OK);
        ledger_view_unref(view);
        lx_buf_clear(&value);
        lx_buf_clear(&proof);
        end(&c);
}
END_TEST

START_TEST(pruning_forgets_old_states_and_keeps_the_rest)
{
        struct chain c;
        struct lx_hash address;
        struct lx_why why = {{0}};
        struct ledger_view *view;
        struct lx_buf value = {0};
        bool more = true;

        begin(&c);
        for (int i = 0; i < 30; i++)
                ck_assert_int_eq(add_block(&c, &address, &why), LX_OK);
        while (more)
                ck_assert_msg(ledger_prune(c.ledger, 25, 10, &more, &why) == LX_OK, "%s", why.text);
        check_sound(&c, 30);
        view = ledger_view_new(c.ledger);
        ck_assert_uint_eq(ledger_view_pruned_below(view), 25);
        ck_assert_int_eq(ledger_get_state(view, SIGCHAIN_KIND_CHAIN, c.author.genesis.b, 32, 24, &value, NULL), LX_ERR_PRUNED);
        ck_assert_int_eq(ledger_get_state(view, SIGCHAIN_KIND_CHAIN, c.author.genesis.b, 32, 25, &value, NULL), LX_OK);
        ck_assert_int_eq(ledger_prove_state(view, SIGCHAIN_KIND_CHAIN, c.author.genesis.b, 32, 25, &value), LX_OK);
        ledger_view_unref(view);
        ck_assert_int_eq(add_block(&c, &address, &why), LX_OK);
        lx_buf_clear(&value);
        end(&c);
}
END_TEST

/* One life in which the @n-th operation of that sort fails; false: there were fewer. */
static bool
live_with_fault(enum lld_fault fault, uint64_t n)
{
        struct chain c;
        struct lx_hash address;
        struct lx_why why = {{0}};
        struct ledger_view *view;
        uint64_t acknowledged = 1, height;
        bool struck = false;

        begin(&c);
        ck_assert_int_eq(add_block(&c, &address, &why), LX_OK);
        lld_disk_fail(c.disk, fault, n, false);
        for (int i = 0; i < 6 && !struck; i++) {
                struck = add_block(&c, &address, &why) != LX_OK;
                acknowledged += !struck;
        }
        lld_disk_fail(c.disk, LLD_FAULT_NONE, 0, false);
        lld_disk_crash(c.disk, 0);
        close_chain(&c);
        why.text[0] = '\0';
        ck_assert_msg(open_chain(&c, &why) == LX_OK, "fault %d, n %d: %s", (int)fault, (int)n, why.text);
        view = ledger_view_new(c.ledger);
        height = ledger_view_header(view)->height;
        ledger_view_unref(view);
        /* A block whose fsync failed may be there all the same. */
        ck_assert(height == acknowledged || (struck && height == acknowledged + 1));
        check_sound(&c, height);
        end(&c);
        return struck;
}

/* Whatever fails and when: the store opens again, is sound, and has every block that was acknowledged. */
START_TEST(any_nth_fault_loses_nothing_acknowledged)
{
        static const enum lld_fault faults[] = {
            LLD_FAULT_WRITE, LLD_FAULT_TORN, LLD_FAULT_SYNC, LLD_FAULT_READ, LLD_FAULT_FLIP};
        uint64_t n = 1;

        while (live_with_fault(faults[_i], n))
                n++;
        ck_assert_uint_ge(n, 7); /* each of the six blocks writes, syncs and reads at least once */
}
END_TEST

int
main(void)
{
        TCase *tcase = tcase_create("ledger");

        if (lx_crypto_init() != LX_OK)
                return 1;
        tcase_set_timeout(tcase, 300);
        tcase_add_test(tcase, blocks_are_kept_proven_and_checked);
        tcase_add_test(tcase, pruning_forgets_old_states_and_keeps_the_rest);
        tcase_add_loop_test(tcase, any_nth_fault_loses_nothing_acknowledged, 0, 5);
        return unit_run("ledger", tcase);
}
