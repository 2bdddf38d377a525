/* router/lisp.c - addresses, LCAFs and records; see router/lisp.h. */
#include "config.h"
#include "router/lisp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AFI_NONE 0u
#define AFI_V4 1u
#define AFI_V6 2u
#define AFI_NAME 17u /* RFC 9735 */
#define AFI_LCAF 16387u

/* ---- reading ----------------------------------------------------------------------------------- */

static void read_field(struct lx_reader *rd, unsigned depth, struct router_field *out);

static void
read_plain(struct lx_reader *rd, uint16_t afi, struct router_addr *out)
{
        out->family = afi == AFI_V4 ? 4 : 6;
        lx_read_bytes(rd, out->b, afi == AFI_V4 ? 4 : 16);
        if (rd->err != LX_OK)
                *out = (struct router_addr){0};
}

/* RFC 8060 4.1: "List of Addresses"; the first usable address is ours. */
static void
read_list(struct lx_reader *part, unsigned depth, struct router_field *out)
{
        while (part->left > 0 && part->err == LX_OK) {
                struct router_field one;

                read_field(part, depth, &one);
                if (out->addr.family == 0 && one.addr.family != 0) {
                        out->addr = one.addr;
                        out->iid = one.iid;
                        out->has_iid = one.has_iid;
                }
        }
}

static void
read_instance(struct lx_reader *part, unsigned depth, struct router_field *out)
{
        struct router_field inner;
        uint32_t iid = lx_read_u32(part);

        read_field(part, depth, &inner);
        *out = inner;
        out->iid = iid;
        out->has_iid = true;
}

/* RFC 8060 4.4: ports, global ETR RLOC, MS RLOC, private ETR RLOC, then RTRs. */
static void
read_nat(struct lx_reader *part, unsigned depth, struct router_field *out)
{
        struct router_field global, ms, private_addr;

        (void)lx_read_u16(part);
        out->port = lx_read_u16(part);
        read_field(part, depth, &global);
        read_field(part, depth, &ms);
        read_field(part, depth, &private_addr);
        out->addr = global.addr;
        while (part->left > 0 && part->err == LX_OK) {
                struct router_field rtr;

                read_field(part, depth, &rtr);
                if (out->rtr.family == 0)
                        out->rtr = rtr.addr;
        }
}

/* RFC 8060 4.7: key count, reserved, algorithm, flags, then length and material of each, locator. */
static void
read_key(struct lx_reader *part, unsigned depth, struct router_field *out)
{
        struct router_field locator;
        unsigned count = lx_read_u8(part);

        (void)lx_read_u8(part);
        out->key_alg = lx_read_u8(part);
        (void)lx_read_u8(part);
        for (unsigned i = 0; i < count && part->err == LX_OK; i++) {
                struct lx_span key = lx_read_var16(part, ROUTER_KEY_MATERIAL_MAX);

                if (i == 0)
                        out->key = key;
        }
        read_field(part, depth, &locator);
        out->addr = locator.addr;
}

static void
read_src_dst(struct lx_reader *part, unsigned depth, struct router_field *out)
{
        struct router_field source, dest;

        (void)lx_read_u16(part);
        out->source_bits = lx_read_u8(part);
        out->dest_bits = lx_read_u8(part);
        read_field(part, depth, &source);
        read_field(part, depth, &dest);
        out->source = source.addr;
        out->addr = dest.addr;
}

static void
read_lcaf(struct lx_reader *rd, unsigned depth, struct router_field *out)
{
        struct lx_reader part;
        uint8_t type;
        uint16_t len;

        (void)lx_read_u16(rd); /* reserved, flags */
        type = lx_read_u8(rd);
        (void)lx_read_u8(rd);
        len = lx_read_u16(rd);
        part = lx_read_part(rd, len);
        switch (type) {
        case ROUTER_LCAF_LIST:
                read_list(&part, depth, out);
                break;
        case ROUTER_LCAF_INSTANCE:
                read_instance(&part, depth, out);
                break;
        case ROUTER_LCAF_NAT:
                read_nat(&part, depth, out);
                break;
        case ROUTER_LCAF_KEY:
                read_key(&part, depth, out);
                break;
        case ROUTER_LCAF_SRC_DST:
                read_src_dst(&part, depth, out);
                break;
        default:
                part.left = 0;
        }
        out->lcaf = type;
        if (part.err == LX_OK && part.left > 0)
                part.err = LX_ERR_TRAILING;
        if (part.err != LX_OK)
                lx_reader_fail(rd, part.err);
}

static void
read_name(struct lx_reader *rd, struct router_field *out)
{
        size_t len = strnlen((const char *)rd->p, rd->left < ROUTER_NAME_MAX ? rd->left : ROUTER_NAME_MAX);

        out->name = lx_read_span(rd, len);
        if (lx_read_u8(rd) != 0)
                lx_reader_fail(rd, LX_ERR_RANGE);
}

static void
read_field(struct lx_reader *rd, unsigned depth, struct router_field *out)
{
        uint16_t afi = lx_read_u16(rd);

        *out = (struct router_field){0};
        if (rd->err != LX_OK || afi == AFI_NONE)
                return;
        if (afi == AFI_V4 || afi == AFI_V6)
                read_plain(rd, afi, &out->addr);
        else if (afi == AFI_NAME)
                read_name(rd, out);
        else if (afi == AFI_LCAF && depth < ROUTER_LCAF_DEPTH_MAX)
                read_lcaf(rd, depth + 1, out);
        else
                lx_reader_fail(rd, LX_ERR_FORMAT); /* its length cannot be known */
        if (rd->err != LX_OK)
                *out = (struct router_field){0};
}

void
router_field_read(struct lx_reader *rd, struct router_field *out_field)
{
        read_field(rd, 0, out_field);
}

static void
read_rloc(struct lx_reader *rd, struct router_rloc *out)
{
        struct router_field field;

        *out = (struct router_rloc){.priority = lx_read_u8(rd)};
        out->weight = lx_read_u8(rd);
        out->mpriority = lx_read_u8(rd);
        out->mweight = lx_read_u8(rd);
        out->flags = lx_read_u16(rd) & 7;
        router_field_read(rd, &field);
        out->addr = field.addr;
        out->port = field.port;
        out->rtr = field.rtr;
        out->name = field.name;
}

static void
take_eid(struct lx_reader *rd, const struct router_field *field, uint8_t bits,
    struct router_record *out)
{
        out->eid = (struct router_eid){.iid = field->iid, .bits = bits, .addr = field->addr};
        if (field->addr.family == 0) {
                out->eid.bits = 0;
                return;
        }
        out->eid_usable = field->lcaf == 0 || field->lcaf == ROUTER_LCAF_INSTANCE;
        if (bits > (field->addr.family == 4 ? 32 : 128))
                lx_reader_fail(rd, LX_ERR_RANGE);
        else
                router_addr_mask(&out->eid.addr, bits);
}

void
router_record_read(struct lx_reader *rd, struct router_record *out_record)
{
        struct router_field eid;
        unsigned count;
        uint16_t act;
        uint8_t bits;

        *out_record = (struct router_record){.ttl_min = lx_read_u32(rd)};
        count = lx_read_u8(rd);
        bits = lx_read_u8(rd);
        act = lx_read_u16(rd);
        out_record->action = (uint8_t)(act >> 13);
        out_record->authoritative = (act >> 12 & 1) != 0;
        out_record->version = lx_read_u16(rd) & 0xfff;
        router_field_read(rd, &eid);
        take_eid(rd, &eid, bits, out_record);
        if (count > ROUTER_RLOCS_MAX)
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (unsigned i = 0; i < count && rd->err == LX_OK; i++)
                read_rloc(rd, &out_record->rloc[i]);
        out_record->rloc_count = rd->err == LX_OK ? (uint8_t)count : 0;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static size_t
plain_len(const struct router_addr *addr)
{
        return addr->family == 4 ? 6 : addr->family == 6 ? 18 : 2;
}

void
router_addr_write(struct lx_writer *wr, const struct router_addr *addr)
{
        lx_write_u16(wr, addr->family == 4 ? AFI_V4 : addr->family == 6 ? AFI_V6 : AFI_NONE);
        lx_write_bytes(wr, addr->b, plain_len(addr) - 2);
}

static void
write_lcaf(struct lx_writer *wr, enum router_lcaf type, uint8_t rsvd2, size_t len)
{
        lx_write_u16(wr, AFI_LCAF);
        lx_write_u16(wr, 0);
        lx_write_u8(wr, (uint8_t)type);
        lx_write_u8(wr, rsvd2);
        lx_write_u16(wr, (uint16_t)len);
}

void
router_iid_write(struct lx_writer *wr, uint32_t iid, const struct router_addr *addr)
{
        if (iid != 0) {
                write_lcaf(wr, ROUTER_LCAF_INSTANCE, 32, 4 + plain_len(addr));
                lx_write_u32(wr, iid);
        }
        router_addr_write(wr, addr);
}

void
router_name_write(struct lx_writer *wr, struct lx_span name)
{
        if (name.len > ROUTER_NAME_MAX || memchr(name.p, 0, name.len) != NULL)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u16(wr, AFI_NAME);
        lx_write_bytes(wr, name.p, name.len);
        lx_write_u8(wr, 0);
}

void
router_nat_write(struct lx_writer *wr, uint16_t port, const struct router_addr *global,
    const struct router_addr *private_addr, const struct router_addr *rtr)
{
        static const struct router_addr none = {0};

        write_lcaf(wr, ROUTER_LCAF_NAT, 0,
            4 + plain_len(global) + 2 + plain_len(private_addr) +
                (rtr->family != 0 ? plain_len(rtr) : 0));
        lx_write_u16(wr, ROUTER_PORT_CONTROL);
        lx_write_u16(wr, port);
        router_addr_write(wr, global);
        router_addr_write(wr, &none);
        router_addr_write(wr, private_addr);
        if (rtr->family != 0)
                router_addr_write(wr, rtr);
}

static void
write_rloc(struct lx_writer *wr, const struct router_rloc *rloc)
{
        static const struct router_addr none = {0};

        lx_write_u8(wr, rloc->priority);
        lx_write_u8(wr, rloc->weight);
        lx_write_u8(wr, rloc->mpriority);
        lx_write_u8(wr, rloc->mweight);
        lx_write_u16(wr, rloc->flags & 7);
        if (rloc->name.len > 0)
                router_name_write(wr, rloc->name);
        else if (rloc->port != 0 || rloc->rtr.family != 0)
                router_nat_write(wr, rloc->port, &rloc->addr, &none, &rloc->rtr);
        else
                router_addr_write(wr, &rloc->addr);
}

void
router_record_write(struct lx_writer *wr, const struct router_record *record)
{
        lx_write_u32(wr, record->ttl_min);
        lx_write_u8(wr, record->rloc_count);
        lx_write_u8(wr, record->eid.bits);
        lx_write_u16(wr, (uint16_t)((record->action & 7u) << 13 | (record->authoritative ? 1u << 12 : 0)));
        lx_write_u16(wr, record->version & 0xfff);
        router_iid_write(wr, record->eid.iid, &record->eid.addr);
        for (unsigned i = 0; i < record->rloc_count; i++)
                write_rloc(wr, &record->rloc[i]);
}

/* ---- values ------------------------------------------------------------------------------------ */

bool
router_addr_eq(const struct router_addr *a, const struct router_addr *b)
{
        return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0; /* public */
}

bool
router_eid_eq(const struct router_eid *a, const struct router_eid *b)
{
        return a->iid == b->iid && a->bits == b->bits && router_addr_eq(&a->addr, &b->addr);
}

static bool
same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
        unsigned whole = bits / 8, rest = bits % 8;

        if (memcmp(a, b, whole) != 0) /* public */
                return false;
        return rest == 0 || (uint8_t)((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool
router_eid_covers(const struct router_eid *eid, uint32_t iid, const struct router_addr *addr)
{
        return eid->iid == iid && eid->addr.family == addr->family &&
               same_bits(eid->addr.b, addr->b, eid->bits);
}

bool
router_eid_contains(const struct router_eid *eid, const struct router_eid *inner)
{
        return inner->bits >= eid->bits && router_eid_covers(eid, inner->iid, &inner->addr);
}

struct router_eid
router_eid_host(uint32_t iid, const struct router_addr *addr)
{
        return (struct router_eid){
            .iid = iid, .bits = addr->family == 4 ? 32 : 128, .addr = *addr};
}

void
router_addr_mask(struct router_addr *addr, unsigned bits)
{
        for (unsigned i = 0; i < sizeof(addr->b); i++) {
                unsigned from = 8 * i;

                if (bits <= from)
                        addr->b[i] = 0;
                else if (bits < from + 8)
                        addr->b[i] &= (uint8_t)(0xff00u >> (bits - from));
        }
}

/* ---- text -------------------------------------------------------------------------------------- */

void
router_addr_format(const struct router_addr *addr, char out[ROUTER_TEXT_MAX])
{
        if (addr->family == 0)
                (void)snprintf(out, ROUTER_TEXT_MAX, "none");
        else
                (void)inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->b, out, ROUTER_TEXT_MAX);
}

void
router_eid_format(const struct router_eid *eid, char out[ROUTER_TEXT_MAX])
{
        char addr[ROUTER_TEXT_MAX], iid[16] = "";

        router_addr_format(&eid->addr, addr);
        if (eid->iid != 0)
                (void)snprintf(iid, sizeof(iid), "[%u]", eid->iid);
        (void)snprintf(out, ROUTER_TEXT_MAX, "%s%.45s/%u", iid, addr, eid->bits);
}

bool
router_addr_parse(const char *text, struct router_addr *out_addr)
{
        struct router_addr addr = {.family = strchr(text, ':') != NULL ? 6 : 4};

        if (inet_pton(addr.family == 4 ? AF_INET : AF_INET6, text, addr.b) != 1)
                return false;
        *out_addr = addr;
        return true;
}

static bool
parse_number(const char *text, unsigned long max, char stop, unsigned long *out, const char **out_end)
{
        char *end;
        unsigned long n = strtoul(text, &end, 10);

        if (text[0] < '0' || text[0] > '9' || end - text > 10 || *end != stop || n > max)
                return false;
        *out = n;
        *out_end = end;
        return true;
}

bool
router_eid_parse(const char *text, struct router_eid *out_eid)
{
        struct router_eid eid = {0};
        char addr[ROUTER_TEXT_MAX];
        const char *slash, *end;
        unsigned long n;

        if (text[0] == '[') {
                if (!parse_number(text + 1, UINT32_MAX, ']', &n, &end))
                        return false;
                eid.iid = (uint32_t)n;
                text = end + 1;
        }
        slash = strchr(text, '/');
        if (strlen(text) >= sizeof(addr))
                return false;
        (void)snprintf(addr, sizeof(addr), "%.*s",
            slash != NULL ? (int)(slash - text) : (int)strlen(text), text);
        if (!router_addr_parse(addr, &eid.addr))
                return false;
        n = eid.addr.family == 4 ? 32 : 128;
        if (slash != NULL && !parse_number(slash + 1, n, '\0', &n, &end))
                return false;
        eid.bits = (uint8_t)n;
        router_addr_mask(&eid.addr, eid.bits);
        *out_eid = eid;
        return true;
}
