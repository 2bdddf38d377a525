/*
 * tests/unit/world.h - a ledger for tests of the rules: states in tables, actors with chains.
 *
 * Signatures of transactions are not made: sigchain_apply looks at keys only. Keys of actors are made
 * up; the validators' are real, because certificates are verified. What is accepted joins the world
 * and moves the actor's chain; what is refused leaves both as they were.
 */
#ifndef LX_TESTS_WORLD_H
#define LX_TESTS_WORLD_H

#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "sigchain/apply.h"
#include "sigchain/manifest.h"
#include "sigchain/standard.h"
#include "unit.h"

#define WORLD_VALIDATORS 4
#define WORLD_EID_PREFIX               \
        {                              \
                0xfd, 0x12, 0x34, 0x56 \
        }

struct world {
        struct lx_map *state;     /* state key -> lx_buf */
        struct lx_map *nodes;     /* log node -> lx_hash */
        struct lx_map *tries;     /* node hash -> lx_buf */
        struct lx_map *manifests; /* root -> lx_buf */
        struct lx_map *entries;   /* address, index -> lx_buf */
        unsigned index_effects;   /* SIGCHAIN_EFFECT_INDEX of accepted transactions */
        uint64_t index_entries;   /* their entries */
        struct sigchain_params params;
        struct sigchain_genesis genesis;
        struct lx_hash chain_id, token;
        uint64_t height;
        unsigned fault; /* so many reads from now one fails; 0: none */
        uint8_t validator[WORLD_VALIDATORS][32];
        struct sigchain_valset set; /* in force */
};

/* A signature chain: key number n is made up from (seed, n). */
struct actor {
        uint64_t seed;
        struct lx_hash genesis, last;
        uint64_t sequence;
        uint64_t key;      /* number of the committed key */
        uint64_t recovery; /* number of the recovery key */
};

/* A transaction in the making. */
struct draft {
        struct world *w;
        struct actor *who;
        struct sigchain_tx tx;
        struct lx_buf body[SIGCHAIN_OPS_MAX];
        struct lx_why why;
        uint64_t next_key; /* number of the key that tx.next is of */
};

/** A world with a genesis token, allocations to actor seeds 1 and 2, and a root prefix of actor 1. */
void world_begin(struct world *w);
/** Free it. */
void world_end(struct world *w);
/** The state's ops. */
const struct lx_hash_ops *world_ops(void);
/** Key @n of @seed; purposes don't collide: chain keys from 0, recovery from 1000, name 9999. */
struct lx_pubkey world_key(uint64_t seed, uint64_t n);
/** A chain that isn't there yet. */
struct actor actor_new(const struct world *w, uint64_t seed);
/** The same, created with a profile's crypto register. */
struct actor actor_born(struct world *w, uint64_t seed);
/** Address of its crypto register. */
struct lx_hash actor_crypto(const struct actor *who);
/** Its genesis account of the token (seeds 1 and 2). */
struct lx_hash actor_account(const struct world *w, const struct actor *who);

/** An empty transaction of @who with the right place, next key and witness. */
struct draft *draft_new(struct world *w, struct actor *who);
/** Add an operation. */
void draft_op(struct draft *d, const struct sigchain_op_body *body);
/** Add create of @type with @data. */
void draft_create(struct draft *d, enum sigchain_type type, const void *data, size_t len);
/** Add create of @type with fields. */
void draft_create_object(struct draft *d, enum sigchain_type type, const struct sigchain_object *o);
/** Add write of fields. */
void draft_write(struct draft *d, const struct lx_hash *address, const struct sigchain_object *o);
/** Replace the witnesses by one of @role with key @n. */
void draft_witness(struct draft *d, enum sigchain_role role, uint64_t n);
/** Add a witness. */
void draft_add_witness(struct draft *d, enum sigchain_role role, struct lx_pubkey key);
/** Apply and free; accepted: the world moves. The error; @why (may be NULL) gets the sentence. */
enum lx_err draft_apply(struct draft *d, struct lx_why *why);
/** Must be accepted; and refused before that, with every read of the store failing in turn. */
void draft_accept(struct draft *d);
/** Must be refused with @err and a sentence that begins with "rule @rule:" (NULL: any). */
void draft_refuse(struct draft *d, enum lx_err err, const char *rule);
/** Where operation @op of the draft creates a register of @type. */
struct lx_hash draft_address(const struct draft *d, enum sigchain_type type, uint8_t op);

/** The crypto register's fields. @recovery: number of the recovery key, UINT64_MAX: none. */
struct sigchain_object crypto_fields(const struct actor *who, uint64_t kind, uint64_t mem,
    uint64_t passes, uint64_t lanes, uint64_t recovery);
/** Fields. Names and bytes must outlive the object. */
void field_u64(struct sigchain_object *o, const char *name, enum sigchain_access a, uint64_t v);
/** Text. */
void field_text(struct sigchain_object *o, const char *name, enum sigchain_access a, const char *s);
/** Bytes, hash or address. */
void field_bytes(struct sigchain_object *o, const char *name, enum sigchain_field_type type,
    enum sigchain_access a, const void *p, size_t len);

/** The register at @address; false: none. Spans live in the world until it changes. */
bool
world_register(const struct world *w, const struct lx_hash *address, struct sigchain_register *out);
/** A number field of it. */
uint64_t world_number(const struct world *w, const struct lx_hash *address, const char *name);
/** A state value, NULL: none. */
const struct lx_buf *
world_state(const struct world *w, enum sigchain_kind kind, const void *key, size_t len);
/** Put a state value. */
void world_put(struct world *w, enum sigchain_kind kind, const void *key, size_t len,
    const void *value, size_t value_len);
/** Lose all nodes of logs, as a damaged store. */
void world_lose_nodes(struct world *w);
/** Store a manifest of @count made-up entries; its root. @out_size: its bytes. */
struct lx_hash
world_manifest(struct world *w, uint32_t count, const char *prefix, uint64_t *out_size);
/** A node of a prefix trie (for merkle_trie_nodes, arg: the world). */
enum lx_err world_trie_node(void *arg, const struct lx_hash *hash, struct lx_buf *out);
/** Fields of a release of @manifest. */
struct sigchain_object
release_fields(const struct lx_hash *manifest, uint64_t entries, uint64_t size);

/**
 * Add an update operation signed by the first @signers validators of the set in force; @what as
 * in op.h. @flip: one bit of the last signature is wrong.
 */
void draft_update(struct draft *d, enum sigchain_op_type type, uint64_t expiry, const void *what,
    size_t what_len, unsigned signers, bool flip);
/** The encoded set of the first @count validators, appended to @out. */
void world_set(const struct world *w, unsigned count, struct lx_buf *out);

#endif
