/*
 * tests/fuzz/fuzz_snapshot.c - pieces of a state, handed to an import that wants all sections. The first byte
 * chooses the want. A piece that is taken must be the one that the source makes: a shorter one would be as true,
 * but needs another proof, which no fuzzer finds.
 * FUZZ_SNAPSHOT_DUMP=DIR writes the true pieces there, for the corpus.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "kit/rich.h"
#include "ledger/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WANTS_MAX 512
#define CHOICES 16

struct state {
        struct rich rich;
        struct kit_ledger to;
        struct ledger_import *import;
        struct ledger_want want[CHOICES];
        size_t count;
};

static void
must(bool holds)
{
        if (!holds)
                abort();
}

static void
add_headers(struct state *s, uint64_t height)
{
        struct ledger_view *view = ledger_view_new(s->rich.kit.ledger);

        for (uint64_t h = 1; h <= height; h++) {
                struct ledger_certified one = {0};
                struct lx_buf cert = {0};

                must(ledger_get_header(view, h, &one.header) == LX_OK);
                must(ledger_get_cert(view, h, &cert) == LX_OK);
                one.cert = lx_buf_span(&cert);
                must(ledger_import_headers(s->import, &one, 1, NULL) == LX_OK);
                lx_buf_clear(&cert);
        }
        ledger_view_unref(view);
}

static void
make_piece(struct state *s, const struct ledger_want *want, struct lx_buf *out)
{
        struct ledger_view *view = ledger_view_new(s->rich.kit.ledger);

        must(ledger_snapshot_piece(view, ledger_import_height(s->import), want, out) == LX_OK);
        ledger_view_unref(view);
}

/* All states are taken, so that trees, entries and nodes are wanted; two of each section are chosen. */
static void
choose_wants(struct state *s)
{
        struct ledger_want *want = lx_alloc_array(WANTS_MAX, sizeof(*want));
        unsigned of[6] = {0};
        size_t count = 1;
        bool states = true;

        while (states) {
                states = false;
                must(ledger_import_wants(s->import, want, WANTS_MAX, &count) == LX_OK);
                for (size_t i = 0; i < count; i++) {
                        struct lx_buf piece = {0};

                        /* One lane stays wanted. */
                        if (want[i].section != LEDGER_SECTION_STATE || want[i].key.b[0] == 7)
                                continue;
                        make_piece(s, &want[i], &piece);
                        must(ledger_import_put(s->import, &want[i], piece.p, piece.len, NULL) == LX_OK);
                        lx_buf_clear(&piece);
                        states = true;
                }
        }
        for (size_t i = 0; i < count && s->count < CHOICES; i++)
                if (want[i].section != LEDGER_SECTION_BLOB && of[want[i].section]++ < 2)
                        s->want[s->count++] = want[i];
        lx_free(want);
}

static void
dump(struct state *s, const char *dir)
{
        for (size_t i = 0; i < s->count; i++) {
                struct lx_buf piece = {0};
                char path[512];
                FILE *f;

                make_piece(s, &s->want[i], &piece);
                (void)snprintf(path, sizeof(path), "%s/section%d-%zu", dir, (int)s->want[i].section, i);
                f = fopen(path, "w");
                must(f != NULL && fputc((int)i, f) != EOF && fwrite(piece.p, 1, piece.len, f) == piece.len);
                must(fclose(f) == 0);
                lx_buf_clear(&piece);
        }
}

static struct state *
begin(void)
{
        struct state *s = lx_alloc(sizeof(*s));
        uint64_t height;

        must(lx_crypto_init() == LX_OK);
        rich_init(&s->rich, 60, 12);
        height = kit_ledger_tip(&s->rich.kit, NULL);
        kit_ledger_init(&s->to, &s->rich.genesis);
        must(ledger_import_open(s->to.ledger, height, &s->import, NULL) == LX_OK);
        add_headers(s, height);
        choose_wants(s);
        if (getenv("FUZZ_SNAPSHOT_DUMP") != NULL)
                dump(s, getenv("FUZZ_SNAPSHOT_DUMP"));
        return s;
}

static struct state *state;

static void
end(void)
{
        ledger_import_close(state->import);
        kit_ledger_clear(&state->to);
        rich_clear(&state->rich);
        lx_free(state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct ledger_want *want;
        struct lx_buf piece = {0};

        if (state == NULL) {
                state = begin();
                must(atexit(end) == 0);
        }
        if (size == 0)
                return 0;
        want = &state->want[data[0] % state->count];
        make_piece(state, want, &piece);
        /* The true one would be taken, once: it is only compared. */
        if (size - 1 != piece.len || memcmp(data + 1, piece.p, piece.len) != 0)
                must(ledger_import_put(state->import, want, data + 1, size - 1, NULL) != LX_OK);
        lx_buf_clear(&piece);
        return 0;
}
