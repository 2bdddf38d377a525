/* kit/chain.c - see kit/chain.h. */
#include "config.h"
#include "kit/chain.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
must(enum lx_err err, const struct lx_why *why)
{
        if (err != LX_OK)
                (void)fprintf(stderr, "kit: %s: %s\n", lx_err_text(err), why->text);
        lx_assert(err == LX_OK);
}

static void
open_ledger(struct kit_ledger *kit, const struct lx_buf *genesis)
{
        struct lld_options db = {
            .kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct ledger_options options = {0};
        struct lx_why why = {{0}};

        must(lld_mem_open(kit->disk, &db, &kit->db, &why), &why);
        must(blob_open(kit->dir, ledger_blob_kinds(), LEDGER_BLOB_COUNT_, &kit->blobs, &why), &why);
        options.db = kit->db;
        options.blobs = kit->blobs;
        options.genesis = genesis != NULL ? genesis->p : NULL;
        options.genesis_len = genesis != NULL ? genesis->len : 0;
        options.tree_cache_bytes = 1u << 20;
        must(ledger_open(&options, &kit->ledger, &why), &why);
        kit->pool = lx_pool_new_inline(NULL, NULL);
        kit->executor = ledger_executor_new_inline(NULL, NULL);
}

void
kit_ledger_init(struct kit_ledger *kit, const struct lx_buf *genesis)
{
        *kit = (struct kit_ledger){.disk = lld_disk_new(0)};
        (void)snprintf(kit->dir, sizeof(kit->dir), "%s/lxkit.XXXXXX",
            getenv("TMPDIR") != NULL && strlen(getenv("TMPDIR")) < 40 ? getenv("TMPDIR") : "/tmp");
        lx_assert(mkdtemp(kit->dir) != NULL);
        open_ledger(kit, genesis);
}

void
kit_ledger_open(struct kit_ledger *kit)
{
        open_ledger(kit, NULL);
}

void
kit_ledger_close(struct kit_ledger *kit)
{
        ledger_executor_free(kit->executor);
        lx_pool_free(kit->pool);
        ledger_close(kit->ledger);
        blob_close(kit->blobs);
        lld_close(kit->db);
        kit->ledger = NULL;
}

void
kit_ledger_reopen(struct kit_ledger *kit)
{
        kit_ledger_close(kit);
        kit_ledger_open(kit);
}

void
kit_ledger_clear(struct kit_ledger *kit)
{
        char command[96];

        if (kit->ledger != NULL)
                kit_ledger_close(kit);
        lld_disk_free(kit->disk);
        (void)snprintf(command, sizeof(command), "rm -rf '%s'", kit->dir);
        lx_assert(system(command) == 0); /* a directory that mkdtemp named */
}

bool
kit_ledger_run(struct kit_ledger *kit)
{
        bool ran = false;

        while (lx_pool_reap(kit->pool) + ledger_executor_reap(kit->executor) > 0)
                ran = true;
        return ran;
}

uint64_t
kit_ledger_tip(struct kit_ledger *kit, struct lx_hash *out_hash)
{
        struct ledger_view *view = ledger_view_new(kit->ledger);
        uint64_t height = ledger_view_header(view)->height;

        if (out_hash != NULL)
                *out_hash = *ledger_view_header_hash(view);
        ledger_view_unref(view);
        return height;
}

/* The number of the validator with this key. */
static void
find_key(const struct lx_pubkey *key, size_t validators, uint8_t out[32])
{
        for (size_t i = 0; i < validators; i++) {
                struct lx_pubkey public;

                kit_validator_key(i, out);
                lx_assert(lx_sign_pubkey(out, &public) == LX_OK);
                if (memcmp(public.b, key->b, LX_PUBKEY_LEN) == 0) /* public */
                        return;
        }
        lx_assert(!"a validator of the set is not of the kit");
}

static uint32_t
first_of(size_t signers)
{
        return (uint32_t)((UINT64_C(1) << signers) - 1);
}

void
kit_certify_by(const struct ledger_header *header, const struct sigchain_valset *set,
    size_t validators, uint32_t signers, uint32_t round, struct lx_buf *out)
{
        uint8_t bytes[LEDGER_CERT_MAX], bitmap[16] = {0}, secret[32];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_hash hash, msg;

        ledger_header_hash(&lx_crypto_ops()->hash, header, &hash);
        ledger_vote_message(&lx_crypto_ops()->hash, LEDGER_VOTE_PRECOMMIT, &header->chain_id,
            header->height, round, &hash, &msg);
        for (size_t i = 0; i < 32; i++)
                if ((signers >> i & 1) != 0)
                        bitmap[i / 8] |= (uint8_t)(0x80 >> i % 8);
        lx_write_u32(&wr, round);
        lx_write_bytes(&wr, bitmap, (set->count + 7) / 8);
        for (size_t i = 0; i < 32; i++) {
                struct lx_sig sig;

                if ((signers >> i & 1) == 0)
                        continue;
                find_key(&set->v[i].key, validators, secret);
                lx_assert(lx_sign(secret, &msg, NULL, &sig) == LX_OK);
                lx_write_bytes(&wr, sig.b, LX_SIG_LEN);
        }
        lx_buf_append(out, bytes, wr.len);
}

void
kit_certify(const struct ledger_header *header, const struct sigchain_valset *set,
    size_t validators, size_t signers, struct lx_buf *out)
{
        kit_certify_by(header, set, validators, first_of(signers), 0, out);
}

void
kit_ledger_add_block_by(struct kit_ledger *kit, const struct lx_span *txs, size_t count,
    size_t validators, uint32_t signers, uint32_t round)
{
        struct ledger_tx *in = lx_alloc_array(count + 1, sizeof(*in));
        struct ledger_candidate *candidate;
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct lx_buf cert = {0};
        struct lx_why why = {{0}};
        struct lx_span bytes;

        for (size_t i = 0; i < count; i++) {
                in[i].bytes = txs[i].p;
                in[i].len = txs[i].len;
        }
        must(ledger_build(kit->ledger, in, count, 0, &candidate, &why), &why);
        for (size_t i = 0; i < count; i++)
                must(in[i].result, &in[i].why);
        bytes = ledger_candidate_valset(candidate);
        must(sigchain_valset_decode(bytes.p, bytes.len, set), &why);
        if (signers == 0)
                signers = first_of(set->count * 2 / 3 + 1);
        kit_certify_by(
            ledger_candidate_header(candidate), set, validators, signers, round, &cert);
        must(ledger_commit(kit->ledger, candidate, cert.p, cert.len, &why), &why);
        lx_buf_clear(&cert);
        lx_free(set);
        lx_free(in);
}

void
kit_ledger_add_block(
    struct kit_ledger *kit, const struct lx_span *txs, size_t count, size_t validators)
{
        kit_ledger_add_block_by(kit, txs, count, validators, 0, 0);
}
