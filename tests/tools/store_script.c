/*
 * tests/tools/store_script.c - a small life of a data directory, for the tests that break it.
 *
 *   store_script run DIR BLOCKS ACKS    opens (or makes) the store in DIR and adds blocks, each with a
 *                                       transaction and a blob; what is on disk for sure is told in ACKS,
 *                                       a line each: height, transaction id, blob root
 *   store_script check DIR ACKS         opens it, checks everything, looks for every line of ACKS
 *
 * Exit status: 0, or 1 with the reason. It is lxnoded without network, time and randomness.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "kit/author.h"
#include "ledger/kinds.h"
#include "ledger/ledger.h"
#include "ledger/maintain.h"
#include "merkle/log.h"
#include "sigchain/state.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAVES 300 /* hashes of a blob: several pages */

struct script {
        struct lld *db;
        struct blob_store *blobs;
        struct ledger *ledger;
        uint8_t validator[32];
        struct author author;
        struct lx_buf document;
        struct lx_why why;
};

static int
complain(const struct script *s, const char *doing, enum lx_err err)
{
        (void)fprintf(stderr, "store_script: %s: %s\n", doing,
            s->why.text[0] != '\0' ? s->why.text : lx_err_text(err));
        return 1;
}

static enum lx_err
open_all(struct script *s, const char *dir, bool create)
{
        struct lld_options options = {.kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = create,
            .write_buffer_bytes = 256u << 10};
        struct ledger_options ledger = {0};
        enum lx_err err;

        kit_validator_key(0, s->validator);
        kit_genesis(1, NULL, "\"heartbeat-ms\":0", &s->document);
        err = lld_open(dir, &options, &s->db, &s->why);
        if (err == LX_OK)
                err = blob_open(dir, ledger_blob_kinds(), LEDGER_BLOB_COUNT_, &s->blobs, &s->why);
        ledger.db = s->db;
        ledger.blobs = s->blobs;
        ledger.genesis = s->document.p;
        ledger.genesis_len = s->document.len;
        return err == LX_OK ? ledger_open(&ledger, &s->ledger, &s->why) : err;
}

static void
close_all(struct script *s)
{
        ledger_close(s->ledger);
        blob_close(s->blobs);
        lld_close(s->db);
        lx_buf_clear(&s->document);
}

/* The author goes on where the chain is. */
static enum lx_err
load_author(struct script *s, uint64_t *out_height)
{
        struct ledger_view *view = ledger_view_new(s->ledger);
        struct sigchain_chain chain;
        struct lx_buf value = {0};
        enum lx_err err;

        author_init(&s->author, 1, ledger_chain_id(s->ledger));
        *out_height = ledger_view_header(view)->height;
        err = ledger_get_state(view, SIGCHAIN_KIND_CHAIN, s->author.genesis.b, LX_HASH_LEN, LEDGER_NOW, &value, NULL);
        if (err == LX_OK)
                err = sigchain_chain_decode(value.p, value.len, &chain);
        if (err == LX_OK) {
                s->author.sequence = chain.sequence;
                s->author.last = chain.last;
        }
        lx_buf_clear(&value);
        ledger_view_unref(view);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

static enum lx_err
put_blob(struct script *s, uint64_t height, struct lx_hash *out_root)
{
        struct lx_hash *leaf = lx_alloc_array(LEAVES, sizeof(*leaf));
        enum lx_err err;

        for (size_t i = 0; i < LEAVES; i++) {
                leaf[i].b[0] = (uint8_t)i;
                leaf[i].b[1] = (uint8_t)(i >> 8);
                lx_put_be64(leaf[i].b + 8, height);
        }
        merkle_log_root(&lx_crypto_ops()->hash, leaf, LEAVES, out_root);
        err = blob_put(s->blobs, LEDGER_BLOB_LEAVES, out_root, leaf, LEAVES * sizeof(*leaf), &s->why);
        lx_free(leaf);
        return err;
}

static enum lx_err
commit(struct script *s, struct ledger_candidate *candidate)
{
        uint8_t cert[4 + 1 + LX_SIG_LEN];
        struct lx_writer wr = lx_writer_init(cert, sizeof(cert));
        const struct ledger_header *h = ledger_candidate_header(candidate);
        struct lx_hash hash, msg;
        struct lx_sig sig;
        enum lx_err err;

        ledger_header_hash(&lx_crypto_ops()->hash, h, &hash);
        ledger_vote_message(
            &lx_crypto_ops()->hash, LEDGER_VOTE_PRECOMMIT, &h->chain_id, h->height, 0, &hash, &msg);
        err = lx_sign(s->validator, &msg, NULL, &sig);
        lx_write_u32(&wr, 0);
        lx_write_u8(&wr, 0x80);
        lx_write_bytes(&wr, sig.b, LX_SIG_LEN);
        if (err != LX_OK) {
                ledger_candidate_free(candidate);
                return err;
        }
        return ledger_commit(s->ledger, candidate, cert, wr.len, &s->why);
}

static enum lx_err
add_block(struct script *s, struct lx_hash *out_id)
{
        struct ledger_candidate *candidate = NULL;
        struct lx_hash address;
        struct lx_buf bytes = {0};
        struct ledger_tx tx = {0};
        enum lx_err err;

        if (s->author.sequence == 0)
                author_begin(&s->author, &bytes, out_id);
        else
                author_create_raw(&s->author, "hello", 5, &bytes, out_id, &address);
        tx.bytes = bytes.p;
        tx.len = bytes.len;
        err = ledger_build(s->ledger, &tx, 1, 0, &candidate, &s->why);
        if (err == LX_OK && tx.result != LX_OK) {
                s->why = tx.why;
                ledger_candidate_free(candidate);
                err = tx.result;
        } else if (err == LX_OK) {
                err = commit(s, candidate);
        }
        lx_buf_clear(&bytes);
        return err;
}

static void
acknowledge(int fd, uint64_t height, const struct lx_hash *id, const struct lx_hash *blob)
{
        char a[65], b[65], line[192];
        int len;

        lx_hex(id->b, LX_HASH_LEN, a);
        lx_hex(blob->b, LX_HASH_LEN, b);
        len = snprintf(line, sizeof(line), "%llu %s %s\n", (unsigned long long)height, a, b);
        if (write(fd, line, (size_t)len) != len)
                abort();
}

/* Allocations are counted from here, when the library that fails them is there. */
static void
arm(void)
{
        void *fn = dlsym(RTLD_DEFAULT, "lx_fault_arm");
        void (*call)(void);

        if (fn == NULL)
                return;
        memcpy(&call, &fn, sizeof(call));
        call();
}

static int
run(const char *dir, unsigned blocks, const char *acks)
{
        struct script s = {0};
        uint64_t height = 0;
        int fd = open(acks, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), status = 0;
        enum lx_err err;

        if (getenv("LX_FAULT_OPEN") != NULL)
                arm();
        err = open_all(&s, dir, true);
        if (err == LX_OK)
                err = load_author(&s, &height);
        arm();
        for (unsigned i = 0; i < blocks && err == LX_OK; i++) {
                struct lx_hash id, blob;

                err = put_blob(&s, ++height, &blob);
                if (err == LX_OK)
                        err = add_block(&s, &id);
                if (err == LX_OK)
                        acknowledge(fd, height, &id, &blob);
        }
        if (err != LX_OK)
                status = complain(&s, "run", err);
        author_clear(&s.author);
        close_all(&s);
        (void)close(fd);
        return status;
}

static int
look_for(struct script *s, const char *line)
{
        struct ledger_view *view = ledger_view_new(s->ledger);
        struct lx_buf bytes = {0};
        struct lx_hash id, blob;
        unsigned long long height;
        uint64_t at = 0;
        char a[65], b[65];
        uint32_t index;
        int status = 0;

        if (sscanf(line, "%llu %64s %64s", &height, a, b) != 3 || !lx_unhex(a, 64, id.b, LX_HASH_LEN) ||
            !lx_unhex(b, 64, blob.b, LX_HASH_LEN))
                status = 0; /* the line itself was cut off */
        else if (ledger_get_tx(view, &id, &bytes, &at, &index) != LX_OK || at != height)
                status = complain(s, line, LX_ERR_ABSENT);
        else if (blob_check(s->blobs, LEDGER_BLOB_LEAVES, &blob, &s->why) != LX_OK)
                status = complain(s, "its blob", LX_ERR_ABSENT);
        ledger_view_unref(view);
        lx_buf_clear(&bytes);
        return status;
}

static int
check(const char *dir, const char *acks)
{
        struct script s = {0};
        char line[256];
        FILE *in = fopen(acks, "r");
        enum lx_err err = open_all(&s, dir, in == NULL || fgetc(in) == EOF);
        int status = err == LX_OK ? 0 : complain(&s, "open", err);

        if (in != NULL)
                rewind(in);
        if (status == 0 && lld_check(s.db, &s.why) != LX_OK)
                status = complain(&s, "lld", LX_ERR_CORRUPT);
        if (status == 0 && ledger_check_all(s.ledger, NULL, NULL, NULL, &s.why) != LX_OK)
                status = complain(&s, "check", LX_ERR_CORRUPT);
        while (status == 0 && in != NULL && fgets(line, sizeof(line), in) != NULL)
                status = look_for(&s, line);
        if (in != NULL)
                (void)fclose(in);
        close_all(&s);
        return status;
}

int
main(int argc, char **argv)
{
        if (lx_crypto_init() != LX_OK)
                return 1;
        if (argc == 5 && strcmp(argv[1], "run") == 0)
                return run(argv[2], (unsigned)strtoul(argv[3], NULL, 10), argv[4]);
        if (argc == 4 && strcmp(argv[1], "check") == 0)
                return check(argv[2], argv[3]);
        (void)fprintf(stderr, "usage: store_script run DIR BLOCKS ACKS | check DIR ACKS\n");
        return 2;
}
