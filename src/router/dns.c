/* router/dns.c - see router/dns.h. RFC 1035, 3596, 6891. */
#include "config.h"
#include "router/dns.h"

#include <stdio.h>
#include <string.h>

#define QR 0x8000u
#define AA 0x0400u
#define TC 0x0200u
#define RD 0x0100u

enum rcode { NOERROR = 0, FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5 };

enum { TYPE_SOA = 6, TYPE_PTR = 12, TYPE_AAAA = 28, TYPE_OPT = 41, TYPE_ANY = 255, CLASS_IN = 1 };

struct query {
        uint16_t id, flags;
        char name[DNS_NAME_MAX + 1]; /* lower case, without the last dot */
        uint16_t type, class;
        size_t question_end;         /* offset in the message */
        bool edns;
        size_t size;                 /* bytes that the client takes */
};

/* Labels without compression: a question has nothing to point to. */
static bool
read_name(struct lx_reader *rd, char out[DNS_NAME_MAX + 1])
{
        size_t n = 0;

        for (;;) {
                unsigned len = lx_read_u8(rd);
                struct lx_span label = lx_read_span(rd, len);

                if (rd->err != LX_OK || len > 63 || n + len + 1 > DNS_NAME_MAX)
                        return false;
                if (len == 0)
                        break;
                if (n > 0)
                        out[n++] = '.';
                for (size_t i = 0; i < len; i++) {
                        uint8_t c = label.p[i];

                        if (c <= ' ' || c == '.' || c >= 127)
                                return false;
                        out[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
                }
        }
        out[n] = '\0';
        return true;
}

static void
read_edns(struct lx_reader *rd, unsigned count, struct query *q)
{
        char name[DNS_NAME_MAX + 1];

        for (unsigned i = 0; i < count && rd->err == LX_OK; i++) {
                uint16_t type, class;

                if (!read_name(rd, name))
                        return;
                type = lx_read_u16(rd);
                class = lx_read_u16(rd);
                (void)lx_read_u32(rd);
                (void)lx_read_var16(rd, DNS_MESSAGE_MAX);
                if (rd->err == LX_OK && type == TYPE_OPT) {
                        q->edns = true;
                        q->size = class < 512 ? 512 : class;
                }
        }
}

static enum rcode
read_query(const uint8_t *bytes, size_t len, struct query *q)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        uint16_t questions, answers, authority, additional;

        *q = (struct query){.id = lx_read_u16(&rd), .flags = lx_read_u16(&rd), .size = 512};
        questions = lx_read_u16(&rd);
        answers = lx_read_u16(&rd);
        authority = lx_read_u16(&rd);
        additional = lx_read_u16(&rd);
        if ((q->flags >> 11 & 15) != 0)
                return NOTIMP;
        if (questions != 1 || answers != 0 || authority != 0 || !read_name(&rd, q->name))
                return FORMERR;
        q->type = lx_read_u16(&rd);
        q->class = lx_read_u16(&rd);
        if (rd.err != LX_OK)
                return FORMERR;
        q->question_end = len - rd.left;
        read_edns(&rd, additional, q);
        return NOERROR;
}

/* ---- names --------------------------------------------------------------------------------------- */

static bool
ends_with(const char *name, const char *tail, size_t *out_len)
{
        size_t len = strlen(name), tail_len = strlen(tail);

        if (len < tail_len || strcmp(name + len - tail_len, tail) != 0)
                return false;
        if (len > tail_len && name[len - tail_len - 1] != '.')
                return false;
        *out_len = len > tail_len ? len - tail_len - 1 : 0;
        return true;
}

static int
hex_digit(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1.0....d.f" of @len characters, some or all of the 32 digits; false: it is no reverse name. */
static bool
read_reverse(const char *name, size_t len, struct router_addr *out, unsigned *out_digits)
{
        unsigned digits = (unsigned)(len + 1) / 2;

        *out = (struct router_addr){.family = 6};
        if (len % 2 == 0 || digits > 32)
                return false;
        for (unsigned i = 0; i < digits; i++) {
                int d = hex_digit(name[len - 1 - 2 * i]);

                if (d < 0 || (i > 0 && name[len - 2 * i] != '.'))
                        return false;
                out->b[i / 2] |= (uint8_t)(i % 2 == 0 ? d << 4 : d);
        }
        *out_digits = digits;
        return true;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void
write_name(struct lx_writer *wr, const char *name)
{
        while (*name != '\0') {
                size_t len = strcspn(name, ".");

                lx_write_str8(wr, LX_SPAN(name, len));
                name += len;
                name += *name == '.';
        }
        lx_write_u8(wr, 0);
}

static void
write_rr_head(struct lx_writer *wr, uint16_t name, uint16_t type, uint32_t ttl, size_t len)
{
        lx_write_u16(wr, name);
        lx_write_u16(wr, type);
        lx_write_u16(wr, CLASS_IN);
        lx_write_u32(wr, ttl);
        lx_write_u16(wr, (uint16_t)len);
}

struct answer {
        enum rcode rcode;
        bool authoritative;
        struct router_addr addr;          /* AAAA, family 0: none */
        char ptr[DNS_NAME_MAX + 4];       /* PTR, empty: none */
};

static void
find_forward(const struct dns_zone *zone, const struct query *q, size_t len, struct answer *out)
{
        struct router_addr addr;

        out->authoritative = true;
        if (len == 0)
                return; /* "lx" itself: it is there, without addresses */
        if (!zone->forward(zone->arg, LX_SPAN(q->name, len), &addr))
                out->rcode = NXDOMAIN;
        else if (q->type == TYPE_AAAA || q->type == TYPE_ANY)
                out->addr = addr;
}

static void
find_reverse(const struct dns_zone *zone, const struct query *q, size_t len, struct answer *out)
{
        struct router_addr eid;
        char name[DNS_NAME_MAX + 1];
        unsigned digits;

        if (!read_reverse(q->name, len, &eid, &digits) || digits < 8 ||
            memcmp(eid.b, zone->eid_prefix, 4) != 0) { /* public */
                out->rcode = REFUSED;
                return;
        }
        out->authoritative = true;
        if (digits < 32)
                return; /* on the way to names */
        if (!zone->reverse(zone->arg, &eid, name))
                out->rcode = NXDOMAIN;
        else if (q->type == TYPE_PTR || q->type == TYPE_ANY)
                (void)snprintf(out->ptr, sizeof(out->ptr), "%.250s.lx", name);
}

static struct answer
find(const struct dns_zone *zone, const struct query *q)
{
        struct answer a = {.rcode = NOERROR};
        size_t len;

        if (q->class != CLASS_IN)
                a.rcode = REFUSED;
        else if (ends_with(q->name, "lx", &len))
                find_forward(zone, q, len, &a);
        else if (ends_with(q->name, "ip6.arpa", &len))
                find_reverse(zone, q, len, &a);
        else
                a.rcode = REFUSED;
        return a;
}

/* The answer section: one record, its name a pointer to the question's. */
static void
write_answer(struct lx_writer *wr, const struct dns_zone *zone, const struct answer *a)
{
        if (a->addr.family == 6) {
                write_rr_head(wr, 0xc00c, TYPE_AAAA, zone->ttl_s, 16);
                lx_write_bytes(wr, a->addr.b, 16);
        }
        if (a->ptr[0] != '\0') {
                write_rr_head(wr, 0xc00c, TYPE_PTR, zone->ttl_s, strlen(a->ptr) + 2);
                write_name(wr, a->ptr);
        }
}

/* RFC 2308: what is not there is remembered as long as the SOA says. */
static void
write_soa(struct lx_writer *wr, const struct dns_zone *zone)
{
        struct lx_writer count = lx_writer_init(NULL, 64);

        write_name(&count, "lx");
        write_rr_head(wr, 0xc00c, TYPE_SOA, zone->ttl_s < 15 ? zone->ttl_s : 15, 2 * count.len + 20);
        write_name(wr, "lx");
        write_name(wr, "lx");
        for (unsigned i = 0; i < 4; i++)
                lx_write_u32(wr, 1);
        lx_write_u32(wr, 15);
}

size_t
dns_answer(const struct dns_zone *zone, const uint8_t *query, size_t len, bool tcp, uint8_t *out)
{
        struct lx_writer wr = lx_writer_init(out, DNS_MESSAGE_MAX);
        struct answer a = {.rcode = NOERROR};
        struct query q;
        bool has, cut = false;
        size_t max;

        if (len < 12 || len > DNS_MESSAGE_MAX || (query[2] & 0x80) != 0)
                return 0;
        a.rcode = read_query(query, len, &q);
        if (a.rcode == NOERROR)
                a = find(zone, &q);
        has = a.addr.family != 0 || a.ptr[0] != '\0';
        lx_write_u16(&wr, q.id);
        lx_write_u16(&wr, (uint16_t)(QR | (q.flags & (0x7800u | RD)) | (a.authoritative ? AA : 0) | (unsigned)a.rcode));
        lx_write_u16(&wr, q.question_end > 0);
        lx_write_u16(&wr, has);
        lx_write_u16(&wr, a.authoritative && !has);
        lx_write_u16(&wr, q.edns);
        if (q.question_end > 0)
                lx_write_bytes(&wr, query + 12, q.question_end - 12);
        if (has)
                write_answer(&wr, zone, &a);
        else if (a.authoritative)
                write_soa(&wr, zone);
        if (q.edns) {
                lx_write_u8(&wr, 0);
                lx_write_u16(&wr, TYPE_OPT);
                lx_write_u16(&wr, DNS_UDP_MAX);
                lx_write_u32(&wr, 0);
                lx_write_u16(&wr, 0);
        }
        max = q.size < DNS_UDP_MAX ? q.size : DNS_UDP_MAX;
        if (!tcp && wr.len > max)
                cut = true;
        if (cut || lx_writer_end(&wr) != LX_OK) {
                out[2] |= TC >> 8;
                memset(out + 6, 0, 6);
                return q.question_end > 0 ? q.question_end : 12;
        }
        return wr.len;
}

bool
dns_is_ours(const struct dns_zone *zone, const uint8_t *query, size_t len)
{
        struct router_addr eid;
        struct query q;
        unsigned digits;
        size_t name_len;

        if (len < 12 || len > DNS_MESSAGE_MAX || (query[2] & 0x80) != 0 || read_query(query, len, &q) != NOERROR ||
            ends_with(q.name, "lx", &name_len))
                return true;
        return ends_with(q.name, "ip6.arpa", &name_len) && read_reverse(q.name, name_len, &eid, &digits) &&
               digits >= 8 && memcmp(eid.b, zone->eid_prefix, 4) == 0; /* public */
}

bool
dns_answers(const uint8_t *query, size_t query_len, const uint8_t *answer, size_t len)
{
        struct query q;

        return read_query(query, query_len, &q) == NOERROR && len >= q.question_end && (answer[2] & 0x80) != 0 &&
               memcmp(answer, query, 2) == 0 && memcmp(answer + 4, query + 4, 2) == 0 && /* public */
               memcmp(answer + 12, query + 12, q.question_end - 12) == 0;               /* public */
}
