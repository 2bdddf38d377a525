/*
 * router/dns.h - names of the ledger as DNS: one question in, one answer out.
 *
 * "NAME.lx" is answered with the IPv6 EID that the ledger's name register points to, the reverse name of
 * an EID with PTR. We are authoritative for "lx" and for the network's EID prefix; everything else is
 * refused here (dns_is_ours tells, so that a caller can forward it). Queries are RFC 1035 with one question; EDNS is
 * read for the size it allows. Answers over UDP are cut to that size with TC. Threads: pure.
 */
#ifndef LX_ROUTER_DNS_H
#define LX_ROUTER_DNS_H

#include "router/lisp.h"

#define DNS_MESSAGE_MAX 4096
#define DNS_UDP_MAX 1232   /* bytes of an answer over UDP, whatever the client allows */
#define DNS_NAME_MAX 255

struct dns_zone {
        uint8_t eid_prefix[4]; /* a /32 */
        uint32_t ttl_s;
        /* The EID that @name (lower case, without ".lx") points to; false: there is none. */
        bool (*forward)(void *arg, struct lx_span name, struct router_addr *out);
        /* The name of @eid (without ".lx") into @out; false: there is none. */
        bool (*reverse)(void *arg, const struct router_addr *eid, char out[DNS_NAME_MAX + 1]);
        void *arg;
};

/**
 * The answer to the query of @len bytes into @out (DNS_MESSAGE_MAX bytes); its length, 0: say nothing (it is no
 * query). @tcp: it is not cut.
 */
size_t dns_answer(
    const struct dns_zone *zone, const uint8_t *query, size_t len, bool tcp, uint8_t *out);
/** Whether the query is for us to answer: for a name of ours, or so wrong that nobody else should see it. */
bool dns_is_ours(const struct dns_zone *zone, const uint8_t *query, size_t len);
/** Whether @answer is one to @query: its id, an answer, and the same question. */
bool dns_answers(const uint8_t *query, size_t query_len, const uint8_t *answer, size_t len);

#endif
