/*
 * lxverify.h - check what a node of the ledger says, without trusting it.
 *
 * The public face of the proofs: headers and certificates against a trusted header, states (registers
 * and their absence) against a header, release entries and file ranges against a register. No heap, no
 * I/O, no libc but mem*, no thread-locals: it runs on bare metal. Stack: at most 48 KiB.
 * The caller gives the primitives (struct lxv_crypto): BLAKE2b-256 with the `personal` parameter
 * (RFC 7693 and the BLAKE2 paper, 2.8) and BIP 340 verification. All bytes stay the caller's.
 * Formats: doc/header.md, doc/merkle.md, doc/state.md, doc/release.md. Threads: pure.
 */
#ifndef LXVERIFY_H
#define LXVERIFY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LXV_API __attribute__((visibility("default")))

struct lxv_part {
        const uint8_t *p;
        size_t len; /* bytes */
};

struct lxv_crypto {
        /* out = BLAKE2b-256 of the parts one after the other, personalised with the 16 bytes of tag */
        void (*blake2b)(void *ctx, const uint8_t tag[16], const struct lxv_part *parts,
            size_t count, uint8_t out[32]);
        /* 1 when sig is key's BIP 340 signature of the 32 bytes msg, else 0 */
        int (*verify)(
            void *ctx, const uint8_t key[32], const uint8_t msg[32], const uint8_t sig[64]);
        void *ctx;
        /* optional (NULL: certificates with half-aggregated signatures are refused): 1 when agg (agg_len
           bytes) is the half-aggregate of BIP 340 signatures of all count keys (32 each) over msg */
        int (*verify_half)(void *ctx, const uint8_t *keys, size_t count, const uint8_t msg[32],
            const uint8_t *agg, size_t agg_len);
};

enum lxv_result {
        LXV_OK = 0,
        LXV_FORMAT = 1,    /* the bytes are malformed */
        LXV_PROOF = 2,     /* the proof does not hold */
        LXV_SIGNATURE = 3, /* a signature does not verify */
        LXV_UNTRUSTED = 4, /* nobody trusted vouches for it: check the headers between first */
        LXV_EXPIRED = 5,   /* the trusted header is past its trusting period */
        LXV_RANGE = 6      /* a value is outside its limits; a header that is not newer */
};

/* A header that is trusted, and the hash of the validator set that acts after it. */
struct lxv_trust {
        uint8_t chain_id[32];
        uint64_t height;
        uint8_t header[32];
        uint8_t next_valset[32];
        uint64_t time_ms;
};

/* What a header says. */
struct lxv_header {
        uint8_t hash[32];
        uint8_t chain_id[32];
        uint64_t height;
        uint64_t time_ms; /* since 1970 */
        uint8_t tx_root[32], state_root[32], history_root[32];
        uint8_t valset[32], next_valset[32];
};

/* Kinds of states, as in doc/state.md. */
enum lxv_kind { LXV_REGISTER = 1, LXV_CHAIN = 2, LXV_REVOKED = 5 };

/** Decode the 242 bytes of a header. LXV_FORMAT. */
LXV_API enum lxv_result lxv_header_decode(
    const struct lxv_crypto *crypto, const uint8_t *bytes, size_t len, struct lxv_header *out);

/**
 * Accept a newer header: the skip rule of doc/header.md, from @trust, whose next validator set is
 * @trusted_set, to @header with certificate @cert of @set (encoded sets). On LXV_OK *out_trust (may be
 * NULL, may be @trust) is the new trust.
 */
LXV_API enum lxv_result
lxv_header_accept(const struct lxv_crypto *crypto, const struct lxv_trust *trust,
    struct lxv_part trusted_set, struct lxv_part header, struct lxv_part set, struct lxv_part cert,
    uint64_t now_ms, uint64_t trusting_period_ms, struct lxv_trust *out_trust);

#define LXV_HEADER_LEN 242
/**
 * The narrow form of a header (doc/light.md), read from the start of @bytes against the header @known
 * (242 bytes) that the sender was told of: its 242 bytes into @out, how many were read into *@out_used.
 * @history (may be NULL): the history root over all headers up to @known. Nothing is verified: that is
 * lxv_header_accept's. LXV_FORMAT, LXV_RANGE.
 */
LXV_API enum lxv_result
lxv_header_widen(const struct lxv_crypto *crypto, const uint8_t known[LXV_HEADER_LEN],
    const uint8_t *history, struct lxv_part bytes, uint8_t out[LXV_HEADER_LEN], size_t *out_used);

/** Under (@kind, @key) the state of @state_root has the encoded @value (p NULL: nothing). */
LXV_API enum lxv_result
lxv_state_check(const struct lxv_crypto *crypto, const uint8_t state_root[32], enum lxv_kind kind,
    struct lxv_part key, struct lxv_part value, struct lxv_part proof);

/**
 * In the digest index with @index_root, @digest belongs to entry @entry of @release (NULL: the
 * publisher has never published it).
 */
LXV_API enum lxv_result
lxv_index_check(const struct lxv_crypto *crypto, const uint8_t index_root[32],
    const uint8_t digest[32], const uint8_t *release, uint32_t entry, struct lxv_part proof);

/** @entry is number @index of the @count entries of the manifest @root; @path: 32 bytes each. */
LXV_API enum lxv_result lxv_entry_check(const struct lxv_crypto *crypto, const uint8_t root[32],
    uint64_t index, uint64_t count, struct lxv_part entry, struct lxv_part path);

/** The header with @hash is number @height in the history of a newer header of height @size. */
LXV_API enum lxv_result
lxv_history_check(const struct lxv_crypto *crypto, const uint8_t history_root[32], uint64_t size,
    uint64_t height, const uint8_t hash[32], struct lxv_part path);

#define LXV_PAGES_MAX 64
/**
 * @bytes are those of the file of @length bytes with @root from @offset (a multiple of 4096) on: whole
 * pages (at most LXV_PAGES_MAX), the file's last page cut where the file ends; of a file of no bytes, none.
 */
LXV_API enum lxv_result lxv_file_check(const struct lxv_crypto *crypto, const uint8_t root[32],
    uint64_t length, uint64_t offset, struct lxv_part bytes, struct lxv_part path);

/**
 * Field @name of the encoded register @value: its bytes (hash, address, text, bytes), or *out_number.
 * LXV_RANGE: there is none.
 */
LXV_API enum lxv_result lxv_register_field(
    struct lxv_part value, const char *name, struct lxv_part *out_bytes, uint64_t *out_number);

#ifdef __cplusplus
}
#endif

#endif
