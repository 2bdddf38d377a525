/*
 * base/wire.h - the only way bytes come in and go out: a reader and a writer, big-endian.
 *
 * Both keep their first error; later calls do nothing and reads give zero, so that a codec is a
 * straight list with one check at the end. The reader never copies: spans point into the input.
 * The writer fills a buffer that the caller gave (fixed); base/buf.h has the growing one.
 * Freestanding: only mem*. Threads: pure.
 */
#ifndef LX_BASE_WIRE_H
#define LX_BASE_WIRE_H

#include "base/err.h"
#include "base/hash.h"

struct lx_reader {
        const uint8_t *p;
        size_t left; /* bytes not yet read */
        enum lx_err err;
};

/** A reader over @len bytes at @bytes, which stay the caller's and must outlive it. */
struct lx_reader lx_reader_init(const uint8_t *bytes, size_t len);

/** Read an unsigned integer of 8, 16, 32 or 64 bits; 0 and LX_ERR_TRUNCATED when it is cut. */
uint8_t lx_read_u8(struct lx_reader *rd);
/** See lx_read_u8. */
uint16_t lx_read_u16(struct lx_reader *rd);
/** See lx_read_u8. */
uint32_t lx_read_u32(struct lx_reader *rd);
/** See lx_read_u8. */
uint64_t lx_read_u64(struct lx_reader *rd);

/** Copy @len bytes to @out; zeros and LX_ERR_TRUNCATED when they are cut. */
void lx_read_bytes(struct lx_reader *rd, uint8_t *out, size_t len);

/** Read one hash. */
struct lx_hash lx_read_hash(struct lx_reader *rd);

/** The next @len bytes as a span into the input; an empty span and LX_ERR_TRUNCATED when cut. */
struct lx_span lx_read_span(struct lx_reader *rd, size_t len);

/** A reader of just the next @len bytes; they are consumed from @rd. On a cut both fail. */
struct lx_reader lx_read_part(struct lx_reader *rd, size_t len);

/** A string with a u8 length in front, at most @max bytes (LX_ERR_RANGE beyond). No NUL. */
struct lx_span lx_read_str8(struct lx_reader *rd, size_t max);

/** Bytes with a u16 length in front, at most @max (LX_ERR_RANGE beyond). */
struct lx_span lx_read_var16(struct lx_reader *rd, size_t max);

/** Bytes with a u32 length in front, at most @max (LX_ERR_RANGE beyond). */
struct lx_span lx_read_var32(struct lx_reader *rd, size_t max);

/**
 * An integer of 7 bits a byte, low ones first, the high bit saying that more follow. The shortest form
 * only (LX_ERR_FORMAT), at most 64 bits.
 */
uint64_t lx_read_varint(struct lx_reader *rd);

/** Fail with @err, unless it failed before. */
void lx_reader_fail(struct lx_reader *rd, enum lx_err err);

/** The first error; LX_ERR_TRAILING if there was none but bytes are left over. */
LX_MUST_CHECK enum lx_err lx_reader_end(const struct lx_reader *rd);

/* A writer into @cap bytes. With .p == NULL it only counts (len grows, nothing is written). */
struct lx_writer {
        uint8_t *p;
        size_t len; /* bytes written */
        size_t cap; /* bytes that fit */
        enum lx_err err;
};

/** A writer into @cap bytes at @out (the caller's); @out NULL: count only, @cap is the limit. */
struct lx_writer lx_writer_init(uint8_t *out, size_t cap);

/** Append an unsigned integer; LX_ERR_LIMIT is kept when it does not fit. */
void lx_write_u8(struct lx_writer *wr, uint8_t v);
/** See lx_write_u8. */
void lx_write_u16(struct lx_writer *wr, uint16_t v);
/** See lx_write_u8. */
void lx_write_u32(struct lx_writer *wr, uint32_t v);
/** See lx_write_u8. */
void lx_write_u64(struct lx_writer *wr, uint64_t v);
/** Append @len bytes. */
void lx_write_bytes(struct lx_writer *wr, const void *bytes, size_t len);
/** Append one hash. */
void lx_write_hash(struct lx_writer *wr, const struct lx_hash *h);
/** Append a u8 length and the bytes; LX_ERR_RANGE above 255. */
void lx_write_str8(struct lx_writer *wr, struct lx_span s);
/** Append a u16 length and the bytes; LX_ERR_RANGE above 65535. */
void lx_write_var16(struct lx_writer *wr, struct lx_span s);
/** Append a u32 length and the bytes; LX_ERR_RANGE above 2^32-1. */
void lx_write_var32(struct lx_writer *wr, struct lx_span s);
/** Append an integer as lx_read_varint reads it. */
void lx_write_varint(struct lx_writer *wr, uint64_t v);
/** Fail with @err, unless it failed before. */
void lx_writer_fail(struct lx_writer *wr, enum lx_err err);
/** The first error, or LX_OK. */
LX_MUST_CHECK enum lx_err lx_writer_end(const struct lx_writer *wr);

/** Store @v big-endian at @out, for keys. */
void lx_put_be64(uint8_t out[8], uint64_t v);
/** Load a big-endian value from @in. */
uint64_t lx_get_be64(const uint8_t in[8]);

#endif
