/* lx/digest.c - reading files and hashing their pages. */
#include "config.h"
#include "lx/digest.h"

#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sha_pages.h"
#include "crypto/tags.h"
#include "merkle/file.h"
#include "merkle/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1024u << 10) /* bytes read at once: a power of two of pages, and within a core's cache */
#define CHUNK_PAGES (CHUNK / LX_PAGE_LEN)
#define STRIPE_CHUNKS 16 /* taken by a worker at once */
#define VERITY_LEVELS 8
#define VERITY_HASHES (LX_PAGE_LEN / 32)

/* fs-verity's tree as it grows: one block of hashes a level. */
struct verity {
        uint8_t block[VERITY_LEVELS][LX_PAGE_LEN];
        size_t count[VERITY_LEVELS]; /* hashes in it */
};

enum lx_err
digest_open(const char *path, int *out_fd, uint64_t *out_size, uint32_t *out_mode, struct lx_why *why)
{
        struct stat st;
        int fd;

        /* The kind first: opening a FIFO or a device may block or act. */
        if (stat(path, &st) != 0 || (S_ISREG(st.st_mode) && (fd = open(path,
                O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)) {
                lx_why_set(why, "cannot read %s: %s", path, strerror(errno));
                return errno == ELOOP ? LX_ERR_FORMAT : lx_err_from_errno(errno);
        }
        if (!S_ISREG(st.st_mode)) {
                lx_why_set(why, "%s is %s, no regular file", path, S_ISDIR(st.st_mode) ? "a directory"
                    : S_ISFIFO(st.st_mode) ? "a FIFO" : S_ISSOCK(st.st_mode) ? "a socket" : "a device");
                return LX_ERR_FORMAT;
        }
        if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
                lx_why_set(why, "%s changed while it was opened", path);
                (void)close(fd);
                return LX_ERR_CHANGED;
        }
        *out_fd = fd;
        *out_size = (uint64_t)st.st_size;
        *out_mode = (uint32_t)st.st_mode;
        return LX_OK;
}

/* Exactly @len bytes at @offset; a shorter file has shrunk. */
static enum lx_err
read_part(int fd, uint64_t offset, uint8_t *out, size_t len)
{
        while (len > 0) {
                ssize_t n = pread(fd, out, len, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n == 0 ? LX_ERR_CHANGED : LX_ERR_IO;
                out += n;
                offset += (uint64_t)n;
                len -= (size_t)n;
        }
        return LX_OK;
}

/* A chunk, the last page zero-padded: *out_pages of them. */
static enum lx_err
read_pages(int fd, uint64_t size, uint64_t first, uint64_t count, uint8_t *out)
{
        uint64_t offset = first * LX_PAGE_LEN, want = count * LX_PAGE_LEN;
        size_t len = (size_t)(size - offset < want ? size - offset : want);

        memset(out + len, 0, (size_t)want - len);
        return read_part(fd, offset, out, len);
}

/* Room for a chunk of at most @pages on a page boundary; *@out_whole is what to free. */
static uint8_t *
alloc_chunk(uint64_t pages, void **out_whole)
{
        size_t len = (size_t)(pages < CHUNK_PAGES ? pages : CHUNK_PAGES) * LX_PAGE_LEN;
        uint8_t *whole = lx_alloc(len + LX_PAGE_LEN);

        /* Copying and hashing are faster when no load crosses a cache line. */
        *out_whole = whole;
        return whole + (LX_PAGE_LEN - (uintptr_t)whole % LX_PAGE_LEN) % LX_PAGE_LEN;
}

enum lx_err
digest_pages(int fd, uint64_t size, uint64_t first, uint64_t count, struct lx_buf *out_leaves)
{
        void *whole;
        uint8_t *chunk = alloc_chunk(count, &whole);
        enum lx_err err = LX_OK;

        while (count > 0 && err == LX_OK) {
                uint64_t n = count < CHUNK_PAGES ? count : CHUNK_PAGES;

                err = read_pages(fd, size, first, n, chunk);
                if (err == LX_OK) {
                        struct lx_hash *out =
                            (struct lx_hash *)(void *)lx_buf_reserve(out_leaves, n * LX_HASH_LEN);

                        lx_blake2b_pages(&LX_TAG_LEAF, chunk, n, out);
                        lx_buf_add(out_leaves, n * LX_HASH_LEN);
                }
                first += n;
                count -= n;
        }
        lx_free(whole);
        return err;
}

/* ---- fs-verity --------------------------------------------------------------------------------- */

static void
verity_add(struct verity *v, unsigned level, const uint8_t hash[32])
{
        uint8_t up[32];

        memcpy(v->block[level] + v->count[level] * 32, hash, 32);
        if (++v->count[level] < VERITY_HASHES)
                return;
        lx_sha256(v->block[level], LX_PAGE_LEN, up);
        v->count[level] = 0;
        verity_add(v, level + 1, up);
}

/* Close the partly filled blocks upwards; what is alone at the top is the root. */
static void
verity_root(struct verity *v, uint64_t pages, uint8_t out[32])
{
        memset(out, 0, 32);
        if (pages == 0)
                return;
        if (pages == 1) {
                memcpy(out, v->block[0], 32);
                return;
        }
        for (unsigned level = 0; level < VERITY_LEVELS; level++) {
                bool above = false;
                uint8_t up[32];

                for (unsigned l = level + 1; l < VERITY_LEVELS; l++)
                        above |= v->count[l] > 0;
                if (v->count[level] == 0)
                        continue;
                if (!above && level > 0 && v->count[level] == 1) {
                        memcpy(out, v->block[level], 32);
                        return;
                }
                memset(v->block[level] + v->count[level] * 32, 0, LX_PAGE_LEN - v->count[level] * 32);
                lx_sha256(v->block[level], LX_PAGE_LEN, up);
                v->count[level] = 0;
                verity_add(v, level + 1, up);
        }
}

/* struct fsverity_descriptor of the kernel's documentation, 256 bytes, little-endian. */
static void
verity_digest(struct verity *v, uint64_t size, struct lx_hash *out)
{
        uint8_t d[256] = {1, 1, 12, 0};

        for (int i = 0; i < 8; i++)
                d[8 + i] = (uint8_t)(size >> (8 * i));
        verity_root(v, merkle_file_pages(size), d + 16);
        lx_sha256(d, sizeof(d), out->b);
}

/* ---- whole files ------------------------------------------------------------------------------- */

struct reading {
        int fd;
        uint64_t size;
        unsigned what;
        struct lx_sha256 *sha;      /* of the file alone */
        struct lx_sha_pages *both;  /* of the file and its pages; sha is not used then */
        struct verity *verity;
        struct merkle_frontier chunks; /* over the roots of the chunks: the same tree, as each is 2^n pages */
        struct lx_buf *leaves;
        uint8_t *chunk;
};

/* A chunk's subtree (the last may be of fewer pages) joins the file's tree. */
static void
add_chunk_root(struct reading *r, const struct lx_hash *root)
{
        merkle_frontier_append(&lx_crypto_ops()->hash, &r->chunks, root, NULL, NULL);
}

/* The digests of the chunk's pages, the last one zero-padded, for fs-verity. */
static void
hash_verity(struct reading *r, uint64_t pages, size_t len)
{
        size_t whole = r->both != NULL ? len / LX_PAGE_LEN : 0;
        struct lx_hash hash[CHUNK_PAGES];

        if (whole > 0)
                lx_sha_pages_update(r->both, r->chunk, whole, hash);
        for (uint64_t i = whole; i < pages; i++)
                lx_sha256(r->chunk + i * LX_PAGE_LEN, LX_PAGE_LEN, hash[i].b);
        for (uint64_t i = 0; i < pages; i++)
                verity_add(r->verity, 0, hash[i].b);
}

static void
hash_chunk(struct reading *r, uint64_t pages, size_t len)
{
        struct lx_hash leaf[CHUNK_PAGES], root;

        if ((r->what & DIGEST_SHA256) != 0 && r->both == NULL)
                lx_sha256_update(r->sha, r->chunk, len);
        if (r->what & DIGEST_FSVERITY)
                hash_verity(r, pages, len);
        if ((r->what & DIGEST_ROOT) == 0)
                return;
        lx_blake2b_pages(&LX_TAG_LEAF, r->chunk, pages, leaf);
        merkle_log_root(&lx_crypto_ops()->hash, leaf, pages, &root);
        add_chunk_root(r, &root);
        if (r->leaves != NULL)
                lx_buf_append(r->leaves, leaf, pages * LX_HASH_LEN);
}

/* The digests that are known at the end; what is less than a page is still in the chunk. */
static void
finish_digests(struct reading *r, struct lx_digest *d)
{
        size_t rest = (size_t)(r->size % LX_PAGE_LEN);
        uint64_t last = r->size / LX_PAGE_LEN % CHUNK_PAGES;

        merkle_frontier_root(&lx_crypto_ops()->hash, &r->chunks, &d->root);
        if (r->both != NULL)
                lx_sha_pages_final(r->both, r->chunk + last * LX_PAGE_LEN, rest, &d->sha256);
        else if (r->what & DIGEST_SHA256)
                lx_sha256_final(r->sha, d->sha256.b);
        if (r->what & DIGEST_FSVERITY)
                verity_digest(r->verity, r->size, &d->fsverity);
}

static enum lx_err
hash_file(struct reading *r, void (*progress)(void *arg, uint64_t bytes), void *arg)
{
        uint64_t pages = merkle_file_pages(r->size);
        enum lx_err err = LX_OK;

        for (uint64_t first = 0; first < pages && err == LX_OK; first += CHUNK_PAGES) {
                uint64_t n = pages - first < CHUNK_PAGES ? pages - first : CHUNK_PAGES;
                uint64_t left = r->size - first * LX_PAGE_LEN;
                size_t len = left < CHUNK ? (size_t)left : CHUNK;

                err = read_pages(r->fd, r->size, first, n, r->chunk);
                if (err == LX_OK)
                        hash_chunk(r, n, len);
                if (err == LX_OK && progress != NULL)
                        progress(arg, len);
        }
        return err;
}

/* The leaves of a large file and the roots of its chunks, one stripe of chunks a worker. */
struct stripe {
        struct lx_buf leaves;
        struct lx_hash root[STRIPE_CHUNKS];
        enum lx_err err;
};

struct stripes {
        int fd;
        uint64_t size, pages;
        struct stripe *v;
};

static void
hash_stripe(void *arg, size_t i)
{
        struct stripes *s = arg;
        struct stripe *stripe = &s->v[i];
        uint64_t each = STRIPE_CHUNKS * CHUNK_PAGES, first = i * each, left = s->pages - first;
        uint64_t count = left < each ? left : each;

        stripe->err = digest_pages(s->fd, s->size, first, count, &stripe->leaves);
        for (uint64_t at = 0; at < count && stripe->err == LX_OK; at += CHUNK_PAGES)
                merkle_log_root(&lx_crypto_ops()->hash,
                    (const struct lx_hash *)(const void *)stripe->leaves.p + at,
                    count - at < CHUNK_PAGES ? count - at : CHUNK_PAGES, &stripe->root[at / CHUNK_PAGES]);
}

static enum lx_err
hash_striped(struct reading *r, struct lx_pool *pool, void (*progress)(void *arg, uint64_t bytes), void *arg)
{
        struct stripes s = {.fd = r->fd, .size = r->size, .pages = merkle_file_pages(r->size)};
        uint64_t each = STRIPE_CHUNKS * CHUNK_PAGES;
        size_t count = (size_t)((s.pages + each - 1) / each);
        enum lx_err err = LX_OK;

        s.v = lx_alloc_array(count, sizeof(*s.v));
        lx_pool_for(pool, count, hash_stripe, &s);
        for (size_t i = 0; i < count; i++) {
                struct stripe *stripe = &s.v[i];
                uint64_t pages = stripe->leaves.len / LX_HASH_LEN;

                if (err == LX_OK)
                        err = stripe->err;
                for (uint64_t at = 0; at < pages && err == LX_OK; at += CHUNK_PAGES)
                        add_chunk_root(r, &stripe->root[at / CHUNK_PAGES]);
                if (r->leaves != NULL)
                        lx_buf_append(r->leaves, stripe->leaves.p, stripe->leaves.len);
                lx_buf_clear(&stripe->leaves);
        }
        if (progress != NULL)
                progress(arg, r->size);
        lx_free(s.v);
        return err;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
        return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
            a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A file that tells no size, as those of /proc, must not pass for an empty one. */
static enum lx_err
check_end(const struct reading *r, const char *path, struct lx_why *why)
{
        struct stat st;
        uint8_t byte;

        if (pread(r->fd, &byte, 1, (off_t)r->size) == 0)
                return LX_OK;
        if (fstat(r->fd, &st) != 0 || (uint64_t)st.st_size != r->size)
                return LX_ERR_CHANGED;
        lx_why_set(why, "%s holds more than the %llu bytes that it tells, as files of /proc do", path,
            (unsigned long long)r->size);
        return LX_ERR_FORMAT;
}

enum lx_err
digest_file(const char *path, unsigned what, struct lx_pool *pool,
    void (*progress)(void *arg, uint64_t bytes), void *arg, struct lx_digest *out,
    struct lx_buf *out_leaves, struct lx_why *why)
{
        struct reading r = {.fd = -1, .what = what, .leaves = out_leaves};
        void *whole;
        struct stat before, after;
        struct lx_digest d = {0};
        enum lx_err err = digest_open(path, &r.fd, &d.size, &d.mode, why);

        if (err != LX_OK)
                return err;
        r.size = d.size;
        r.chunk = alloc_chunk(merkle_file_pages(d.size), &whole);
        if ((what & DIGEST_SHA256) != 0 && (what & DIGEST_FSVERITY) != 0)
                r.both = lx_sha_pages_new();
        else
                r.sha = lx_sha256_new();
        r.verity = (what & DIGEST_FSVERITY) != 0 ? lx_alloc(sizeof(*r.verity)) : NULL;
        err = fstat(r.fd, &before) == 0 ? LX_OK : LX_ERR_IO;
        if (err == LX_OK && what == DIGEST_ROOT && pool != NULL && d.size > STRIPE_CHUNKS * CHUNK)
                err = hash_striped(&r, pool, progress, arg);
        else if (err == LX_OK)
                err = hash_file(&r, progress, arg);
        if (err == LX_OK && (fstat(r.fd, &after) != 0 || !is_same(&before, &after)))
                err = LX_ERR_CHANGED;
        if (err == LX_OK)
                err = check_end(&r, path, why);
        if (err == LX_OK) {
                finish_digests(&r, &d);
                *out = d;
        } else if (err != LX_ERR_FORMAT) {
                lx_why_set(why, "%s: %s", path, lx_err_text(err));
        }
        lx_sha256_free(r.sha);
        lx_sha_pages_free(r.both);
        lx_free(r.verity);
        lx_free(whole);
        (void)close(r.fd);
        return err;
}
