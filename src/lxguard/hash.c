/* lxguard/hash.c - the file tree of an open file. */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "merkle/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (128u << 10) /* bytes read at once, a multiple of the page: stays in the second-level cache */
#define CHUNK_PAGES (CHUNK / LX_PAGE_LEN)

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

enum lx_err
hash_fd(int fd, uint64_t deadline_ns, struct lx_hash *out_root, uint64_t *out_size, struct lx_buf *out_leaves)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct merkle_frontier frontier = {.size = 0};
        struct lx_hash leaves[CHUNK_PAGES];
        struct stat st;
        uint8_t *chunk;
        enum lx_err err = LX_OK;

        if (fstat(fd, &st) != 0)
                return LX_ERR_IO;
        chunk = lx_alloc(CHUNK);
        for (uint64_t at = 0, size = (uint64_t)st.st_size; at < size && err == LX_OK; at += CHUNK) {
                size_t len = (size_t)(size - at < CHUNK ? size - at : CHUNK);
                size_t pages = (size_t)merkle_file_pages(len);

                if (deadline_ns != 0 && lx_clock_now_ns() > deadline_ns)
                        err = LX_ERR_TIMEOUT;
                if (err == LX_OK)
                        err = read_part(fd, at, chunk, len);
                if (err != LX_OK)
                        break;
                memset(chunk + len, 0, pages * LX_PAGE_LEN - len);
                lx_blake2b_pages(&LX_TAG_LEAF, chunk, pages, leaves);
                for (size_t i = 0; i < pages; i++)
                        merkle_frontier_append(ops, &frontier, &leaves[i], NULL, NULL);
                if (out_leaves != NULL)
                        lx_buf_append(out_leaves, leaves, pages * LX_HASH_LEN);
        }
        lx_free(chunk);
        if (err == LX_OK) {
                merkle_frontier_root(ops, &frontier, out_root);
                *out_size = (uint64_t)st.st_size;
        }
        return err;
}
