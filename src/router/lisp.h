/*
 * router/lisp.h - what LISP messages are made of: addresses, LCAF (RFC 8060), locators, records.
 *
 * All reading goes through struct lx_reader; spans point into the input. A record is read one at
 * a time, so no message needs an array. What a receiver cannot use (an LCAF type it does not know,
 * a locator without an address) is skipped by its length and marked, never an error; what is cut,
 * nested deeper than ROUTER_LCAF_DEPTH_MAX or longer than its part is one.
 * Threads: pure. Spec: doc/router-control.md; RFC 9301 5.4, RFC 8060.
 */
#ifndef LX_ROUTER_LISP_H
#define LX_ROUTER_LISP_H

#include "base/wire.h"

#define ROUTER_PORT_DATA 4341
#define ROUTER_PORT_CONTROL 4342

#define ROUTER_RLOCS_MAX 16      /* locators kept of one record; more are LX_ERR_RANGE */
#define ROUTER_LCAF_DEPTH_MAX 4  /* LCAFs inside LCAFs */
#define ROUTER_KEY_MATERIAL_MAX 1024 /* bytes of a key in a key LCAF */
#define ROUTER_NAME_MAX 1024 /* bytes of a distinguished name, without its NUL */

/* An address: IPv4 left-aligned, the other 12 bytes zero. Family 0: none. */
struct router_addr {
        uint8_t family; /* 0, 4, 6 */
        uint8_t b[16];
};

/* A prefix of an instance; bits at most 32 or 128, nothing set behind them. */
struct router_eid {
        uint32_t iid;
        uint8_t bits;
        struct router_addr addr;
};

/* Where a packet goes on the outside. */
struct router_at {
        struct router_addr addr;
        uint16_t port;
};

enum router_lcaf {
        ROUTER_LCAF_LIST = 1,     /* several addresses; the first usable one counts */
        ROUTER_LCAF_INSTANCE = 2, /* an instance id and an address */
        ROUTER_LCAF_NAT = 7,      /* ports, global and private RLOC, RTRs */
        ROUTER_LCAF_KEY = 11,     /* key material and a locator (RFC 8061) */
        ROUTER_LCAF_SRC_DST = 12  /* source and destination prefix */
};

/* What an address field held. */
struct router_field {
        struct router_addr addr; /* family 0: nothing usable */
        uint32_t iid;
        bool has_iid;
        uint8_t lcaf;            /* outermost LCAF type, 0: a plain address */
        uint16_t port;           /* ETR port of a NAT LCAF, else 0 */
        struct router_addr rtr;  /* first RTR of a NAT LCAF, else family 0 */
        struct router_addr source; /* of a source/destination LCAF */
        uint8_t source_bits, dest_bits;
        uint8_t key_alg;         /* of a key LCAF */
        struct lx_span key;      /* its material; points into the input */
        struct lx_span name;     /* a distinguished name (AFI 17, RFC 9735), without its NUL */
};

/** Read an AFI and what follows it. A cut and a wrong nesting fail the reader. */
void router_field_read(struct lx_reader *rd, struct router_field *out_field);

/** Write @addr with its AFI; family 0 is AFI 0. */
void router_addr_write(struct lx_writer *wr, const struct router_addr *addr);
/** Write @addr with its AFI, inside an instance LCAF unless @iid is 0. */
void router_iid_write(struct lx_writer *wr, uint32_t iid, const struct router_addr *addr);
/** Write a distinguished name: @name holds no NUL. */
void router_name_write(struct lx_writer *wr, struct lx_span name);
/** Write a NAT LCAF: @port is the ETR's, @global its outer address, @rtr the way in (RFC 8060 4.4). */
void router_nat_write(struct lx_writer *wr, uint16_t port, const struct router_addr *global,
    const struct router_addr *private_addr, const struct router_addr *rtr);

struct router_rloc {
        struct router_addr addr; /* family 0: not usable by us */
        uint16_t port;           /* 0: the data port */
        struct router_addr rtr;  /* the relay in front of it; family 0: none */
        uint8_t priority;        /* 255: not for unicast */
        uint8_t weight;
        uint8_t mpriority, mweight;
        uint8_t flags;           /* ROUTER_RLOC_* */
        struct lx_span name;     /* a distinguished name in place of an address; into the input */
};

#define ROUTER_RLOC_LOCAL 4u     /* L */
#define ROUTER_RLOC_PROBED 2u    /* p */
#define ROUTER_RLOC_REACHABLE 1u /* R */

enum router_action {
        ROUTER_ACT_NONE = 0,
        ROUTER_ACT_NATIVE = 1,
        ROUTER_ACT_SEND_REQUEST = 2,
        ROUTER_ACT_DROP = 3,
        ROUTER_ACT_DROP_POLICY = 4,
        ROUTER_ACT_DROP_AUTH = 5
};

#define ROUTER_TTL_FOREVER 0xffffffffu

struct router_record {
        uint32_t ttl_min; /* minutes; 0: remove */
        uint8_t action;   /* enum router_action, 3 bits */
        bool authoritative;
        uint16_t version; /* map-version, 12 bits; 0: none */
        struct router_eid eid;
        bool eid_usable;  /* false: an EID form that we do not route (multicast, MAC, ...) */
        uint8_t rloc_count;
        struct router_rloc rloc[ROUTER_RLOCS_MAX];
};

/** Read one record. Limits: bits fit the family, at most ROUTER_RLOCS_MAX locators. */
void router_record_read(struct lx_reader *rd, struct router_record *out_record);
/** Write one record. */
void router_record_write(struct lx_writer *wr, const struct router_record *record);

/** Whether two addresses are the same. */
bool router_addr_eq(const struct router_addr *a, const struct router_addr *b);
/** Whether two EID prefixes are the same. */
bool router_eid_eq(const struct router_eid *a, const struct router_eid *b);
/** Whether @addr of instance @iid lies in @eid. */
bool router_eid_covers(const struct router_eid *eid, uint32_t iid, const struct router_addr *addr);
/** Whether the whole of @inner lies in @eid. */
bool router_eid_contains(const struct router_eid *eid, const struct router_eid *inner);
/** The host prefix of @addr. */
struct router_eid router_eid_host(uint32_t iid, const struct router_addr *addr);
/** Zero what lies behind the first @bits. */
void router_addr_mask(struct router_addr *addr, unsigned bits);

#define ROUTER_TEXT_MAX 64 /* bytes of an address or prefix as text, the NUL included */

/** "192.0.2.1" or "2001:db8::1". */
void router_addr_format(const struct router_addr *addr, char out[ROUTER_TEXT_MAX]);
/** "[7]2001:db8::/64"; the instance only when it is not 0. */
void router_eid_format(const struct router_eid *eid, char out[ROUTER_TEXT_MAX]);
/** Read what router_addr_format writes; false: not that. */
bool router_addr_parse(const char *text, struct router_addr *out_addr);
/** Read a prefix, with or without "[iid]" and "/bits"; false: not that. */
bool router_eid_parse(const char *text, struct router_eid *out_eid);

#endif
