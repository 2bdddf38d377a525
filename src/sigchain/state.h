/*
 * sigchain/state.h - what the state tree holds: state keys, signature chains, registers, addresses.
 *
 * A state key is H(lx.skey, kind, canonical key); the tree's value is H(lx.value, encoded value).
 * The encodings here are the ledger's: one value, one encoding. Freestanding (mem* only), so that
 * liblxverify is built from these files. Threads: pure. Spec: doc/state.md, with byte tables.
 */
#ifndef LX_SIGCHAIN_STATE_H
#define LX_SIGCHAIN_STATE_H

#include "base/wire.h"
#include "crypto/ops.h"

/* The kinds of state values; the byte is part of the state key. */
enum sigchain_kind {
        SIGCHAIN_KIND_REGISTER = 1,  /* key: address (32)                 value: register        */
        SIGCHAIN_KIND_CHAIN = 2,     /* key: genesis id (32)              value: chain           */
        SIGCHAIN_KIND_PARAMS = 3,    /* key: nothing                      value: params.h        */
        SIGCHAIN_KIND_VALSET = 4,    /* key: nothing                      value: the next set    */
        SIGCHAIN_KIND_REVOKED = 5,   /* key: publisher (32), digest (32)  value: u64 height      */
        SIGCHAIN_KIND_DEBIT = 6,     /* key: tx id (32), u8 operation     value: open debit      */
        SIGCHAIN_KIND_TRIE = 7,      /* key: u32 instance, u8 family 4|6  value: trie root (32)  */
        SIGCHAIN_KIND_UPDATE = 8,    /* key: what the validators signed   value: u64 height      */
        SIGCHAIN_KIND_ROTATION = 9,  /* key: nothing         value: priorities, ledger/proposer.h */
        SIGCHAIN_KIND_CONVICTED = 10 /* key: validator key (32)          value: u64 height      */
};

#define SIGCHAIN_KEY_MAX 64     /* bytes of a canonical key */
#define SIGCHAIN_VALUE_MAX 8192 /* bytes of an encoded value (validator sets are the largest) */
#define SIGCHAIN_DATA_MAX 4096  /* bytes of a register's data */
#define SIGCHAIN_REGISTER_MAX (1 + 1 + 1 + 32 + 8 + 8 + 32 + 2 + SIGCHAIN_DATA_MAX)

/** The state key of (@kind, @key). */
void sigchain_state_key(const struct lx_hash_ops *ops, enum sigchain_kind kind, const void *key,
    size_t key_len, struct lx_hash *out);

/** The value hash of an encoded value. */
void sigchain_state_value(
    const struct lx_hash_ops *ops, const void *value, size_t len, struct lx_hash *out);

/*
 * Register types: the first byte of an address. The standards are schemas over object registers
 * (standard.h); raw, append and readonly have data of their own.
 */
enum sigchain_type {
        SIGCHAIN_OBJECT = 0x01,   /* any fields */
        SIGCHAIN_RAW = 0x02,      /* bytes, the owner writes them */
        SIGCHAIN_READONLY = 0x03, /* bytes, never changed */
        SIGCHAIN_APPEND = 0x04,   /* u64 count, log root; entries beside it */
        SIGCHAIN_CRYPTO = 0x10,   /* one per chain: kind of secret, KDF, recovery */
        SIGCHAIN_NAME = 0x11,
        SIGCHAIN_NAMESPACE = 0x12,
        SIGCHAIN_TOKEN = 0x13,
        SIGCHAIN_ACCOUNT = 0x14,
        SIGCHAIN_RELEASE = 0x15,
        SIGCHAIN_INDEX = 0x16, /* one per publisher, written by the validators */
        SIGCHAIN_APPROVAL = 0x17,
        SIGCHAIN_FILE = 0x18,
        SIGCHAIN_EID = 0x19,
        SIGCHAIN_PREFIX = 0x1a,
        SIGCHAIN_NODE = 0x1b,
        SIGCHAIN_DEVICE = 0x1c,
        SIGCHAIN_VALIDATOR = 0x1d,
        SIGCHAIN_DELEGATION = 0x1e, /* format reserved; creating one is refused */
        SIGCHAIN_OWNERS = 0x1f      /* M-of-N owners: format reserved; creating one is refused */
};

/**
 * An address: the type byte, then the first 31 bytes of H(lx.addr, type, key). The key of names,
 * namespaces, prefixes, EIDs is canonical (standard.h), of crypto and index the genesis id, of all
 * others genesis (32), u64 sequence, u8 operation number.
 */
void sigchain_address(const struct lx_hash_ops *ops, enum sigchain_type type, const void *key,
    size_t key_len, struct lx_hash *out);

/** The address of what operation @op of transaction @sequence of chain @genesis creates. */
void sigchain_address_created(const struct lx_hash_ops *ops, enum sigchain_type type,
    const struct lx_hash *genesis, uint64_t sequence, uint8_t op, struct lx_hash *out);

/* A register. Bytes: u8 1, u8 type, u8 flags (0), owner, u64 created, u64 modified, pending, var16
 * data. On decoding, data points into the input. */
struct sigchain_register {
        enum sigchain_type type;
        uint8_t flags;          /* bit 0: owner is an M-of-N register (reserved, refused) */
        struct lx_hash owner;   /* genesis id */
        uint64_t created;       /* height */
        uint64_t modified;      /* height */
        struct lx_hash pending; /* transfer offered to this genesis id; zero: none */
        struct lx_span data;
};

/** Write the bytes above. */
void sigchain_register_encode(const struct sigchain_register *reg, struct lx_writer *wr);
/** Read them, to the end. */
LX_MUST_CHECK enum lx_err
sigchain_register_decode(const uint8_t *bytes, size_t len, struct sigchain_register *out_reg);

/* A signature chain. Bytes: u8 1, u64 sequence, last, next, u64 created, u64 modified. */
struct sigchain_chain {
        uint64_t sequence;   /* of the next transaction: how many there were */
        struct lx_hash last; /* id of the last transaction */
        struct lx_hash next; /* H(lx.nextkey, public key) of the key that must sign the next */
        uint64_t created;    /* height */
        uint64_t modified;   /* height */
};

/** Write the bytes above. */
void sigchain_chain_encode(const struct sigchain_chain *chain, struct lx_writer *wr);
/** Read them, to the end. */
LX_MUST_CHECK enum lx_err
sigchain_chain_decode(const uint8_t *bytes, size_t len, struct sigchain_chain *out_chain);

/* The data of an append register. Bytes: u64 count, root. */
struct sigchain_append {
        uint64_t count;
        struct lx_hash root;
};

/** Read the data of an append register. */
LX_MUST_CHECK enum lx_err
sigchain_append_decode(struct lx_span data, struct sigchain_append *out_append);

/* An open debit. Bytes: token, from, to, u64 amount, u64 expiry. */
struct sigchain_debit {
        struct lx_hash token;
        struct lx_hash from; /* account (or token register) it left */
        struct lx_hash to;   /* account that may credit it */
        uint64_t amount;
        uint64_t expiry; /* height from which the sender's account may credit it back */
};

/** Write the bytes above. */
void sigchain_debit_encode(const struct sigchain_debit *debit, struct lx_writer *wr);
/** Read them, to the end. */
LX_MUST_CHECK enum lx_err
sigchain_debit_decode(const uint8_t *bytes, size_t len, struct sigchain_debit *out_debit);

#endif
