/*
 * sigchain/params.h - the network's parameters and its genesis document.
 *
 * Parameters: u16 count, each u16 id, u64 value; ids rise strictly; one row each in params.c (id,
 * name, default, minimum, maximum, whether it stays as genesis has it). They are state (kind PARAMS),
 * changed by parameter-update, which names those that change. A newer program knows more of them: a
 * document or state without one means its default.
 * Genesis document, canonical binary: u8 version 1, str8 network name, u64 time (ms, up to 9999), parameters,
 * validator set (var16), token: str8 name, u8 decimals, u64 supply; u16 allocations, each genesis
 * id and u64 amount (sum = supply), ids rising strictly; eid prefix (4 bytes, a ULA /32: fd...); u16
 * root prefixes, rising strictly, each u32 instance, u8 family, 16 bytes, u8 bits, owner. The chain
 * id is H(lx.chain, bytes). JSON is only its face (ledger/genesis_json.h). Threads: pure. Spec: doc/genesis.md.
 */
#ifndef LX_SIGCHAIN_PARAMS_H
#define LX_SIGCHAIN_PARAMS_H

#include "base/buf.h"
#include "base/why.h"
#include "base/wire.h"
#include "sigchain/valset.h"

enum sigchain_param {
        SIGCHAIN_RULE_VERSION = 1, /* of the header; raised only */
        SIGCHAIN_FEE_UNIT = 2,     /* smallest token units per cost unit */
        SIGCHAIN_STAMP_BITS = 3,   /* work for a new chain: leading zero bits */
        SIGCHAIN_BLOCK_BYTES = 4,  /* of transactions */
        SIGCHAIN_BLOCK_OPS = 5,
        SIGCHAIN_CHAIN_OPS = 6,      /* per chain and block */
        SIGCHAIN_INDEX_INSERTS = 7,  /* digests per block, at most 65,536 */
        SIGCHAIN_MANIFEST_BYTES = 8, /* at most 16 MiB */
        SIGCHAIN_TRUST_DAYS = 9,     /* trusting period */
        SIGCHAIN_KDF_NAME_MEM = 10,  /* KiB, of the name key's Argon2id */
        SIGCHAIN_KDF_NAME_PASSES = 11,
        SIGCHAIN_EVIDENCE_BLOCKS = 12,
        SIGCHAIN_HEARTBEAT_MS = 13, /* an empty block after so long; 0: never */
        SIGCHAIN_PARAM_COUNT_ = 14
};

struct sigchain_params {
        uint64_t value[SIGCHAIN_PARAM_COUNT_]; /* by id; [0] unused */
};

struct sigchain_param_row {
        enum sigchain_param id;
        const char *name; /* "block-bytes" */
        uint64_t def, min, max;
        bool fixed; /* stays as genesis has it */
};

/** The rows, by id; NULL for an id without one. */
const struct sigchain_param_row *sigchain_param_row(unsigned id);
/** All defaults. */
void sigchain_params_defaults(struct sigchain_params *out_params);
/** Write the bytes above (every parameter). */
void sigchain_params_encode(const struct sigchain_params *params, struct lx_writer *wr);
/** Read them, to the end; missing ones get their default; LX_ERR_RANGE outside of min and max. */
LX_MUST_CHECK enum lx_err
sigchain_params_decode(const uint8_t *bytes, size_t len, struct sigchain_params *out_params);

/** Give the parameters that the bytes name their values; on an error @params is undefined. */
LX_MUST_CHECK enum lx_err
sigchain_params_change(const uint8_t *bytes, size_t len, struct sigchain_params *params);

#define SIGCHAIN_PARAMS_BYTES_MAX (2 + 10 * SIGCHAIN_PARAM_COUNT_)
#define SIGCHAIN_ALLOCATIONS_MAX 256
#define SIGCHAIN_ROOTS_MAX 256
#define SIGCHAIN_GENESIS_MAX (64u * 1024)
#define SIGCHAIN_TIME_MAX 253402300799999u /* ms: the end of the year 9999 */

struct sigchain_allocation {
        struct lx_hash genesis;
        uint64_t amount;
};

struct sigchain_root_prefix {
        uint32_t instance;
        uint8_t family; /* 4 or 6 */
        uint8_t prefix[16];
        uint8_t bits;
        struct lx_hash owner; /* genesis id */
};

/** Order of root prefixes in the document: instance, family, prefix, bits. */
int sigchain_root_prefix_cmp(
    const struct sigchain_root_prefix *x, const struct sigchain_root_prefix *y);

struct sigchain_genesis {
        char network[33];
        uint64_t time_ms;
        struct sigchain_params params;
        struct sigchain_valset validators; /* names point into the bytes it was decoded from */
        char token_name[33];
        uint8_t token_decimals;
        uint64_t token_supply;
        size_t allocation_count;
        struct sigchain_allocation allocation[SIGCHAIN_ALLOCATIONS_MAX];
        uint8_t eid_prefix[4];
        size_t root_count;
        struct sigchain_root_prefix root[SIGCHAIN_ROOTS_MAX];
};

/** Write the bytes above. */
void sigchain_genesis_encode(const struct sigchain_genesis *genesis, struct lx_writer *wr);
/** Read them, to the end. */
LX_MUST_CHECK enum lx_err
sigchain_genesis_decode(const uint8_t *bytes, size_t len, struct sigchain_genesis *out_genesis);
/** The chain id. */
void sigchain_chain_id(
    const struct lx_hash_ops *ops, const uint8_t *bytes, size_t len, struct lx_hash *out);

#endif
