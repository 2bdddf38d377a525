/*
 * crypto/tags.h - every domain tag of the project (doc/crypto.md has the same list).
 *
 * A tag is the BLAKE2b personalisation of one use, so that bytes hashed for one purpose never
 * collide with bytes hashed for another. Freestanding.
 */
#ifndef LX_CRYPTO_TAGS_H
#define LX_CRYPTO_TAGS_H

#include "crypto/ops.h"

/* clang-format off */
#define LX_TAG(name, str) static const struct lx_tag name __attribute__((unused)) = {str}

LX_TAG(LX_TAG_LEAF, "lx.leaf");           /* leaf of a log tree, page of a file tree */
LX_TAG(LX_TAG_NODE, "lx.node");           /* interior node of a log tree or file tree */
LX_TAG(LX_TAG_STATE_LEAF, "lx.sleaf");    /* state tree leaf: state key, value hash */
LX_TAG(LX_TAG_STATE_NODE, "lx.snode");    /* state tree interior node */
LX_TAG(LX_TAG_STATE_KEY, "lx.skey");      /* kind, canonical key -> state key */
LX_TAG(LX_TAG_STATE_VALUE, "lx.value");   /* encoded state value -> value hash */
LX_TAG(LX_TAG_ADDRESS, "lx.addr");        /* what a register address is derived from */
LX_TAG(LX_TAG_CHAIN_ID, "lx.chain");      /* canonical genesis document */
LX_TAG(LX_TAG_GENESIS, "lx.genesis");     /* name key -> genesis id of a signature chain */
LX_TAG(LX_TAG_NEXT_KEY, "lx.nextkey");    /* public key -> committed next-key hash */
LX_TAG(LX_TAG_TX, "lx.tx");               /* transaction core -> transaction id */
LX_TAG(LX_TAG_WITNESS, "lx.witness");     /* role, transaction id -> message that is signed */
LX_TAG(LX_TAG_STAMP, "lx.stamp");         /* work for a new signature chain */
LX_TAG(LX_TAG_HEADER, "lx.header");       /* header bytes -> header hash */
LX_TAG(LX_TAG_VALSET, "lx.valset");       /* canonical validator set */
LX_TAG(LX_TAG_VOTE, "lx.vote");           /* type, chain, height, round, header -> signed message */
LX_TAG(LX_TAG_DROP, "lx.drop");           /* chain id, transaction id -> the owner's wish to drop it */
LX_TAG(LX_TAG_WAL, "lx.wal");             /* record of the write-ahead log -> checksum */
LX_TAG(LX_TAG_SIGN, "lx.sign");           /* signing record -> checksum */
LX_TAG(LX_TAG_UPDATE, "lx.update");       /* validator- and parameter-updates -> signed message */
LX_TAG(LX_TAG_GUARD, "lx.guard");         /* checksum of the guard's cache */
LX_TAG(LX_TAG_TRIE, "lx.trie");           /* node of a prefix trie */
LX_TAG(LX_TAG_SEED_SALT, "lx.seedsalt");  /* genesis id -> salt of the master seed */
LX_TAG(LX_TAG_NAME_SALT, "lx.namesalt");  /* chain id -> salt of the name key */
LX_TAG(LX_TAG_KEY, "lx.key");             /* seed, purpose, index -> secret scalar (keyed) */
LX_TAG(LX_TAG_BOOK, "lx.book");           /* checksum of the address book */
LX_TAG(LX_TAG_LIGHT, "lx.light");         /* watch list, record of the light store -> digest, checksum */

LX_TAG(LX_TAG_RECORD, "lx.record");       /* a mapping of the overlay -> message its owner signs */
LX_TAG(LX_TAG_RENDEZVOUS, "lx.rendez");   /* covering register, node key -> rank of the node */
LX_TAG(LX_TAG_COOKIE, "lx.cookie");       /* secret of a router, address -> cookie (keyed) */
LX_TAG(LX_TAG_MAC1, "lx.mac1");           /* responder's seal key, handshake -> its first MAC (keyed) */
/* clang-format on */

#undef LX_TAG

#endif
