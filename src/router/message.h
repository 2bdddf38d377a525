/*
 * router/message.h - the control messages of RFC 9301 (with RFC 9302 and RFC 9437), byte by byte.
 *
 * Each decode fills a header and leaves a reader over the records that follow; the caller walks
 * them with router_record_read (router/lisp.h), exactly .record_count of them, then looks at
 * lx_reader_end. Encoding writes the header; records are appended by the caller.
 *
 *   type  name              answer                 may come unauthenticated
 *   1     Map-Request       Map-Reply              yes
 *   2     Map-Reply         -                      only with the nonce of a question of ours
 *   3     Map-Register      Map-Notify             records signed or HMAC
 *   4     Map-Notify        Map-Notify-Ack         nonce of ours, or records signed
 *   5     Map-Notify-Ack    -                      nonce of ours
 *   8     Encapsulated      (what is inside)       yes
 *
 * Threads: pure. Spec: doc/router-control.md, with byte tables.
 */
#ifndef LX_ROUTER_MESSAGE_H
#define LX_ROUTER_MESSAGE_H

#include "router/lisp.h"

enum router_type {
        ROUTER_MAP_REQUEST = 1,
        ROUTER_MAP_REPLY = 2,
        ROUTER_MAP_REGISTER = 3,
        ROUTER_MAP_NOTIFY = 4,
        ROUTER_MAP_NOTIFY_ACK = 5,
        ROUTER_ENCAPSULATED = 8
};

#define ROUTER_MESSAGE_MAX 4096 /* bytes of a control message that we take or send */
#define ROUTER_ITRS_MAX 32      /* RFC 9301: IRC is 5 bits, 0 means one */
#define ROUTER_ASKED_MAX 8      /* EIDs of one Map-Request that are answered */

/** The type nibble of a message; 0 when it is empty. */
uint8_t router_message_type(const uint8_t *bytes, size_t len);

struct router_map_request {
        bool authoritative;   /* A: only the site itself may answer */
        bool map_data;        /* M: a record of the sender follows the EIDs */
        bool probe;           /* P: RLOC probe */
        bool smr;             /* S: solicit a Map-Request */
        bool pitr;            /* p: from a proxy ITR */
        bool smr_invoked;     /* s: because of an SMR */
        bool has_xtr_id;      /* I: xTR-ID and site id follow (RFC 9437) */
        bool local_only;      /* L */
        bool no_data;         /* D: no Map-Reply data wanted */
        uint64_t nonce;
        struct router_eid source; /* addr.family 0: none; bits are the family's */
        uint8_t itr_count;        /* 1 to 32 */
        struct router_addr itr[ROUTER_ITRS_MAX]; /* family 0: a form that we do not use */
        uint8_t asked_count;
        struct router_eid asked[ROUTER_ASKED_MAX];
        bool subscribe[ROUTER_ASKED_MAX]; /* N: tell me of changes (RFC 9437) */
        struct router_record record;      /* if map_data */
        uint8_t xtr_id[16];
        uint64_t site_id;
};

/** Read a whole Map-Request. LX_ERR_RANGE: more than ROUTER_ASKED_MAX EIDs, or none. */
LX_MUST_CHECK enum lx_err router_map_request_decode(
    const uint8_t *bytes, size_t len, struct router_map_request *out_request);
/** Write it. */
void router_map_request_encode(const struct router_map_request *request, struct lx_writer *wr);

struct router_map_reply {
        bool probe;
        bool echo_nonce;
        bool security;
        uint8_t record_count;
        uint64_t nonce;
};

/** Read the header; *out_records reads on. */
LX_MUST_CHECK enum lx_err router_map_reply_decode(const uint8_t *bytes, size_t len,
    struct router_map_reply *out_reply, struct lx_reader *out_records);
/** Write the header. */
void router_map_reply_encode(const struct router_map_reply *reply, struct lx_writer *wr);

/* The algorithm ids of RFC 9301 12.5, and ours. */
enum router_alg {
        ROUTER_ALG_NONE = 0,
        ROUTER_ALG_SHA1_96 = 1,       /* HMAC-SHA-1-96: only where a site is configured so */
        ROUTER_ALG_SHA256_128 = 2,    /* HMAC-SHA-256-128, 16 bytes */
        ROUTER_ALG_HKDF_SHA256 = 3,   /* RFC 9301: per-message key, HMAC-SHA-256, 32 bytes */
        ROUTER_ALG_COOKIE = 254       /* ours: the cookie that the receiver handed out */
};

#define ROUTER_AUTH_MAX 64 /* bytes of authentication data */

/* Map-Register, Map-Notify and Map-Notify-Ack share their form. */
struct router_map_register {
        enum router_type type;
        bool proxy_reply;   /* P: answer for me */
        bool security;      /* S */
        bool has_xtr_id;    /* I */
        bool encrypted;     /* E: not supported, refused */
        bool use_ttl;       /* T */
        bool merge;         /* a */
        bool mobile;        /* R */
        bool want_notify;   /* M */
        uint8_t record_count;
        uint64_t nonce;
        uint8_t key_id;
        uint8_t alg;        /* enum router_alg */
        struct lx_span auth;  /* points into the input */
        size_t auth_offset;   /* where it lies in the message */
        uint8_t xtr_id[16];   /* filled by router_map_register_end */
        uint64_t site_id;
};

/** Read the header of types 3, 4 and 5; *out_records reads on. LX_ERR_VERSION: encrypted. */
LX_MUST_CHECK enum lx_err router_map_register_decode(const uint8_t *bytes, size_t len,
    struct router_map_register *out_message, struct lx_reader *out_records);
/** After the records: the xTR-ID, if announced, and the end. */
LX_MUST_CHECK enum lx_err router_map_register_end(
    struct router_map_register *message, struct lx_reader *records);
/** Write the header; .auth is written as it is, *out_offset: where it starts. */
void router_map_register_encode(
    const struct router_map_register *message, struct lx_writer *wr, size_t *out_offset);

/* An Encapsulated Control Message: outer LISP header, inner IP and UDP headers, message. */
struct router_encapsulated {
        bool security, ddt;
        struct router_at from, to; /* of the inner headers */
        struct lx_span message;    /* points into the input */
};

/** Read it. LX_ERR_VERSION: LISP-SEC data; LX_ERR_FORMAT: the inside is no UDP to the control port. */
LX_MUST_CHECK enum lx_err router_encapsulated_decode(
    const uint8_t *bytes, size_t len, struct router_encapsulated *out_message);
/** Write the ECM header and inner headers with checksums, then @message. Families must agree. */
void router_encapsulated_encode(const struct router_encapsulated *message, struct lx_writer *wr);

#endif
