/* light/spray.c - see light/spray.h. */
#include "config.h"
#include "light/spray.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/wire.h"
#include "crypto/hash.h"
#include "crypto/tags.h"

#ifdef HAVE_ISAL
#include <isa-l/erasure_code.h>
#endif

#include <string.h>

#define ID_LEN 16u
#define SUM_AT 26u
#define SUM_LEN 8u

static const char MAGIC[4] = {'L', 'X', 'B', '1'};

/* How a run of bytes is cut. */
struct cut {
        uint32_t len, symbols, blocks;
};

struct light_spray {
        struct cut cut;
        uint8_t id[ID_LEN];
        uint8_t *bytes; /* zero-padded to whole symbols */
};

struct gathered {
        uint8_t id[ID_LEN];
        struct cut cut;
        uint64_t used;
        bool whole;
        uint8_t *have;  /* [blocks]: codewords that are here, at most k */
        uint8_t *which; /* [blocks][LIGHT_BLOCK_MAX]: their numbers */
        uint8_t *words; /* [symbols][LIGHT_SYMBOL] */
};

struct light_gather {
        struct gathered run[LIGHT_GATHER_MAX];
        size_t count;
        uint64_t uses;
};

static struct cut
cut_of(uint32_t len)
{
        struct cut cut = {.len = len, .symbols = (len + LIGHT_SYMBOL - 1) / LIGHT_SYMBOL};

        cut.blocks = (cut.symbols + LIGHT_BLOCK_MAX - 1) / LIGHT_BLOCK_MAX;
        return cut;
}

/* Symbols of block @b, and where its first one is. */
static uint32_t
block_of(const struct cut *cut, uint32_t b, uint32_t *out_first)
{
        uint32_t each = cut->symbols / cut->blocks, more = cut->symbols % cut->blocks;

        *out_first = b * each + (b < more ? b : more);
        return each + (b < more ? 1 : 0);
}

static void
id_of(const void *bytes, size_t len, uint8_t out[ID_LEN])
{
        struct lx_hash hash;

        lx_blake2b(&LX_TAG_LIGHT, bytes, len, &hash);
        memcpy(out, hash.b, ID_LEN);
}

static void
checksum(const uint8_t packet[LIGHT_PACKET_LEN], uint8_t out[SUM_LEN])
{
        struct lx_span parts[2] = {LX_SPAN(packet, SUM_AT),
            LX_SPAN(packet + LIGHT_PACKET_HEAD, LIGHT_SYMBOL)};
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct lx_hash hash;

        ops->hash(ops->ctx, &LX_TAG_LIGHT, parts, 2, &hash);
        memcpy(out, hash.b, SUM_LEN);
}

/* ---- the code ------------------------------------------------------------------------------------ */

#ifdef HAVE_ISAL

static bool
has_code(void)
{
        return true;
}

/* Codeword @row of a block of @k symbols. */
static void
encode(uint32_t k, uint32_t row, uint8_t *symbols, uint8_t *out)
{
        uint8_t matrix[LIGHT_CODEWORDS * LIGHT_BLOCK_MAX], tables[32 * LIGHT_BLOCK_MAX];
        uint8_t *in[LIGHT_BLOCK_MAX], *one[1] = {out};

        if (row < k) {
                memcpy(out, symbols + (size_t)row * LIGHT_SYMBOL, LIGHT_SYMBOL);
                return;
        }
        gf_gen_cauchy1_matrix(matrix, (int)LIGHT_CODEWORDS, (int)k);
        for (uint32_t i = 0; i < k; i++)
                in[i] = symbols + (size_t)i * LIGHT_SYMBOL;
        ec_init_tables((int)k, 1, matrix + (size_t)row * k, tables);
        ec_encode_data((int)LIGHT_SYMBOL, (int)k, 1, tables, in, one);
}

/* The symbols from @k codewords with the numbers @which. */
static bool
decode(uint32_t k, const uint8_t *which, uint8_t *words, uint8_t *out)
{
        uint8_t matrix[LIGHT_CODEWORDS * LIGHT_BLOCK_MAX], rows[LIGHT_BLOCK_MAX * LIGHT_BLOCK_MAX];
        uint8_t inverse[LIGHT_BLOCK_MAX * LIGHT_BLOCK_MAX], *in[LIGHT_BLOCK_MAX], *to[LIGHT_BLOCK_MAX];
        uint8_t *tables = lx_alloc(32 * (size_t)k * k);
        bool fine;

        gf_gen_cauchy1_matrix(matrix, (int)LIGHT_CODEWORDS, (int)k);
        for (uint32_t i = 0; i < k; i++) {
                memcpy(rows + (size_t)i * k, matrix + (size_t)which[i] * k, k);
                in[i] = words + (size_t)i * LIGHT_SYMBOL;
                to[i] = out + (size_t)i * LIGHT_SYMBOL;
        }
        fine = gf_invert_matrix(rows, inverse, (int)k) == 0;
        if (fine) {
                ec_init_tables((int)k, (int)k, inverse, tables);
                ec_encode_data((int)LIGHT_SYMBOL, (int)k, (int)k, tables, in, to);
        }
        lx_free(tables);
        return fine;
}

#else

static bool
has_code(void)
{
        return false;
}

static void
encode(uint32_t k, uint32_t row, uint8_t *symbols, uint8_t *out)
{
        (void)k;
        memcpy(out, symbols + (size_t)row * LIGHT_SYMBOL, LIGHT_SYMBOL);
}

static bool
decode(uint32_t k, const uint8_t *which, uint8_t *words, uint8_t *out)
{
        (void)which;
        memcpy(out, words, (size_t)k * LIGHT_SYMBOL);
        return false;
}

#endif

/* ---- sending ------------------------------------------------------------------------------------- */

enum lx_err
light_spray_new(const void *bytes, size_t len, struct light_spray **out_spray)
{
        struct light_spray *spray;

        if (!has_code())
                return LX_ERR_VERSION;
        if (len == 0 || len > LIGHT_SPRAY_MAX)
                return LX_ERR_RANGE;
        spray = lx_alloc(sizeof(*spray));
        spray->cut = cut_of((uint32_t)len);
        spray->bytes = lx_alloc((size_t)spray->cut.symbols * LIGHT_SYMBOL);
        memcpy(spray->bytes, bytes, len);
        id_of(bytes, len, spray->id);
        *out_spray = spray;
        return LX_OK;
}

void
light_spray_free(struct light_spray *spray)
{
        if (spray == NULL)
                return;
        lx_free(spray->bytes);
        lx_free(spray);
}

uint64_t
light_spray_round(const struct light_spray *spray, uint64_t *out_needed)
{
        uint32_t first;

        *out_needed = (uint64_t)block_of(&spray->cut, 0, &first) * spray->cut.blocks;
        return (uint64_t)spray->cut.blocks * LIGHT_CODEWORDS;
}

void
light_spray_packet(const struct light_spray *spray, uint64_t n, uint8_t out[LIGHT_PACKET_LEN])
{
        uint32_t block = (uint32_t)(n % spray->cut.blocks), first, k = block_of(&spray->cut, block, &first);
        uint8_t row = (uint8_t)(n / spray->cut.blocks % LIGHT_CODEWORDS);
        struct lx_writer wr = lx_writer_init(out, LIGHT_PACKET_HEAD);

        lx_write_bytes(&wr, MAGIC, sizeof(MAGIC));
        lx_write_bytes(&wr, spray->id, ID_LEN);
        lx_write_u32(&wr, spray->cut.len);
        lx_write_u8(&wr, (uint8_t)block);
        lx_write_u8(&wr, row);
        encode(k, row, spray->bytes + (size_t)first * LIGHT_SYMBOL, out + LIGHT_PACKET_HEAD);
        checksum(out, out + SUM_AT);
}

/* ---- receiving ----------------------------------------------------------------------------------- */

struct light_gather *
light_gather_new(void)
{
        return lx_alloc(sizeof(struct light_gather));
}

static void
clear_run(struct gathered *run)
{
        lx_free(run->have);
        lx_free(run->which);
        lx_free(run->words);
        run->have = run->which = run->words = NULL;
}

void
light_gather_free(struct light_gather *gather)
{
        if (gather == NULL)
                return;
        for (size_t i = 0; i < gather->count; i++)
                clear_run(&gather->run[i]);
        lx_free(gather);
}

/* Room for what is to come; false: there is no memory for it. */
static bool
begin_run(struct gathered *run, const uint8_t id[ID_LEN], uint32_t len)
{
        *run = (struct gathered){.cut = cut_of(len)};
        memcpy(run->id, id, ID_LEN);
        run->have = lx_try_alloc(run->cut.blocks);
        run->which = lx_try_alloc_array(run->cut.blocks, LIGHT_BLOCK_MAX);
        run->words = lx_try_alloc_array(run->cut.symbols, LIGHT_SYMBOL);
        if (run->have != NULL && run->which != NULL && run->words != NULL)
                return true;
        clear_run(run);
        return false;
}

static struct gathered *
find_run(struct light_gather *gather, const uint8_t id[ID_LEN], uint32_t len)
{
        struct gathered *oldest = NULL;

        for (size_t i = 0; i < gather->count; i++) {
                struct gathered *run = &gather->run[i];

                if (memcmp(run->id, id, ID_LEN) == 0 && run->cut.len == len) { /* public */
                        run->used = ++gather->uses;
                        return run;
                }
                if (oldest == NULL || run->used < oldest->used)
                        oldest = run;
        }
        if (gather->count < LIGHT_GATHER_MAX) {
                oldest = &gather->run[gather->count];
                if (!begin_run(oldest, id, len))
                        return NULL;
                gather->count++;
        } else {
                clear_run(oldest);
                if (!begin_run(oldest, id, len)) {
                        *oldest = gather->run[--gather->count];
                        return NULL;
                }
        }
        oldest->used = ++gather->uses;
        return oldest;
}

/* All blocks are here: the bytes, if they are what the packets name. */
static enum lx_err
finish_run(struct gathered *run, struct lx_buf *out)
{
        uint8_t *symbols = lx_alloc((size_t)run->cut.symbols * LIGHT_SYMBOL), id[ID_LEN];
        bool fine = true;

        for (uint32_t b = 0; b < run->cut.blocks && fine; b++) {
                uint32_t first, k = block_of(&run->cut, b, &first);

                fine = decode(k, run->which + (size_t)b * LIGHT_BLOCK_MAX, run->words + (size_t)first * LIGHT_SYMBOL,
                    symbols + (size_t)first * LIGHT_SYMBOL);
        }
        id_of(symbols, run->cut.len, id);
        fine = fine && memcmp(id, run->id, ID_LEN) == 0; /* public */
        if (fine) {
                lx_buf_append(out, symbols, run->cut.len);
                clear_run(run);
                run->whole = true;
        } else {
                memset(run->have, 0, run->cut.blocks);
        }
        lx_free(symbols);
        return fine ? LX_OK : LX_ERR_PROOF;
}

static enum lx_err
take_word(struct gathered *run, uint8_t block, uint8_t row, const uint8_t *word, struct lx_buf *out)
{
        uint32_t first, k = block_of(&run->cut, block, &first);
        uint8_t *which = run->which + (size_t)block * LIGHT_BLOCK_MAX;

        if (run->have[block] == k || memchr(which, row, run->have[block]) != NULL)
                return LX_ERR_BUSY;
        memcpy(run->words + (size_t)(first + run->have[block]) * LIGHT_SYMBOL, word, LIGHT_SYMBOL);
        which[run->have[block]++] = row;
        for (uint32_t b = 0; b < run->cut.blocks; b++)
                if (run->have[b] < block_of(&run->cut, b, &first))
                        return LX_ERR_BUSY;
        return finish_run(run, out);
}

enum lx_err
light_gather_take(struct light_gather *gather, const uint8_t *bytes, size_t len, struct lx_buf *out)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct lx_span magic = lx_read_span(&rd, sizeof(MAGIC)), id = lx_read_span(&rd, ID_LEN);
        uint32_t total = lx_read_u32(&rd);
        uint8_t block = lx_read_u8(&rd), row = lx_read_u8(&rd), sum[SUM_LEN];
        struct gathered *run;

        if (!has_code())
                return LX_ERR_VERSION;
        if (len != LIGHT_PACKET_LEN || memcmp(magic.p, MAGIC, sizeof(MAGIC)) != 0 || total == 0 || /* public */
            total > LIGHT_SPRAY_MAX || block >= cut_of(total).blocks || row >= LIGHT_CODEWORDS)
                return LX_ERR_FORMAT;
        checksum(bytes, sum);
        if (memcmp(sum, bytes + SUM_AT, SUM_LEN) != 0) /* public */
                return LX_ERR_CORRUPT;
        run = find_run(gather, id.p, total);
        if (run == NULL)
                return LX_ERR_NOMEM;
        if (run->whole)
                return LX_ERR_EXISTS;
        return take_word(run, block, row, bytes + LIGHT_PACKET_HEAD, out);
}
