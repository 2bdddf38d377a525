/*
 * llp/hello.h - what peers tell each other about themselves: hello, ping, goodbye, addresses.
 *
 *      hello      0   2  version of this protocol, 1
 *                 2  32  chain id
 *                34   8  height of the tip
 *                42  32  hash of the tip's header
 *                74   4  roles, one bit each
 *                78   2  port where it accepts connections, 0: none
 *                80   1  length of the user agent (at most 64), then so many printable ASCII bytes
 *      ping,pong  0   8  any number; the pong repeats it
 *      goodbye    0   1  reason, then text: u8 length (at most 200), printable ASCII
 *      addrs      0   2  count (at most 100), then for each: id (32, x-only key), address (16, IPv4
 *                        mapped), port (2)
 *      get_addrs  empty
 *
 * Threads: pure. Spec: doc/llp.md.
 */
#ifndef LX_LLP_HELLO_H
#define LX_LLP_HELLO_H

#include "base/wire.h"
#include "crypto/ops.h"
#include "llp/addr.h"

#define LLP_VERSION 1
#define LLP_AGENT_MAX 64
#define LLP_TEXT_MAX 200
#define LLP_ADDRS_MAX 100
#define LLP_PING_LEN 8

enum llp_role {
        LLP_ROLE_FULL = 1u << 0, /* has blocks and serves them */
        LLP_ROLE_VALIDATOR = 1u << 1,
        LLP_ROLE_LIGHT = 1u << 2,
        LLP_ROLE_ARCHIVE = 1u << 3, /* has all states, nothing pruned */
        LLP_ROLE_ROUTER = 1u << 4,
};

struct llp_hello {
        uint16_t version;
        struct lx_hash chain_id;
        uint64_t height;
        struct lx_hash tip;
        uint32_t roles; /* enum llp_role; unknown bits are kept */
        uint16_t listen_port;
        char agent[LLP_AGENT_MAX + 1];
};

/** Write it. */
void llp_hello_encode(const struct llp_hello *hello, struct lx_writer *wr);
/** Read it to the end. LX_ERR_VERSION: a version that is not ours. */
LX_MUST_CHECK enum lx_err
llp_hello_decode(const uint8_t *bytes, size_t len, struct llp_hello *out_hello);

enum llp_bye {
        LLP_BYE_STOPPING = 1,  /* the node stops */
        LLP_BYE_FULL = 2,      /* no slot is free; come back later */
        LLP_BYE_DUPLICATE = 3, /* another connection to the same node stays */
        LLP_BYE_BANNED = 4,
        LLP_BYE_PROTOCOL = 5, /* the other side broke a rule */
        LLP_BYE_TIMEOUT = 6,
        LLP_BYE_NETWORK = 7,  /* another chain or version */
        LLP_BYE_OPERATOR = 8, /* somebody asked for it */
        LLP_BYE_LAST_ = 8,
};

struct llp_goodbye {
        uint8_t reason; /* enum llp_bye; unknown ones are kept */
        char text[LLP_TEXT_MAX + 1];
};

/** Write it. */
void llp_goodbye_encode(const struct llp_goodbye *bye, struct lx_writer *wr);
/** Read it to the end. */
LX_MUST_CHECK enum lx_err
llp_goodbye_decode(const uint8_t *bytes, size_t len, struct llp_goodbye *out_bye);

struct llp_node_addr {
        struct lx_pubkey id;
        struct llp_addr addr;
};

/** Write @count (at most LLP_ADDRS_MAX) of them. */
void llp_addrs_encode(const struct llp_node_addr *addrs, size_t count, struct lx_writer *wr);
/** Read them to the end; @out has room for LLP_ADDRS_MAX. */
LX_MUST_CHECK enum lx_err
llp_addrs_decode(const uint8_t *bytes, size_t len, struct llp_node_addr *out, size_t *out_count);

#endif
