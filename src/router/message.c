/* router/message.c - control message codecs; see router/message.h. */
#include "config.h"
#include "router/message.h"

#include "router/packet.h"

#include <string.h>

uint8_t
router_message_type(const uint8_t *bytes, size_t len)
{
        return len > 0 ? bytes[0] >> 4 : 0;
}

/* ---- Map-Request ------------------------------------------------------------------------------- */

/* RFC 9301 5.2: |Type=1 |A|M|P|S|p|s|R|I|  Rsvd   |L|D|   IRC   | Record Count  | */
static unsigned
read_request_head(struct lx_reader *rd, struct router_map_request *out)
{
        uint32_t head = lx_read_u32(rd);

        if (head >> 28 != ROUTER_MAP_REQUEST)
                lx_reader_fail(rd, LX_ERR_FORMAT);
        out->authoritative = (head >> 27 & 1) != 0;
        out->map_data = (head >> 26 & 1) != 0;
        out->probe = (head >> 25 & 1) != 0;
        out->smr = (head >> 24 & 1) != 0;
        out->pitr = (head >> 23 & 1) != 0;
        out->smr_invoked = (head >> 22 & 1) != 0;
        out->has_xtr_id = (head >> 20 & 1) != 0;
        out->local_only = (head >> 14 & 1) != 0;
        out->no_data = (head >> 13 & 1) != 0;
        out->itr_count = (uint8_t)((head >> 8 & 31) + 1);
        return head & 0xff;
}

static void
read_itrs(struct lx_reader *rd, struct router_map_request *out)
{
        for (unsigned i = 0; i < out->itr_count && rd->err == LX_OK; i++) {
                struct router_field field;

                router_field_read(rd, &field);
                out->itr[i] = field.addr;
        }
}

static void
read_asked(struct lx_reader *rd, struct router_map_request *out, unsigned i)
{
        struct router_field field;
        uint8_t flags = lx_read_u8(rd), bits = lx_read_u8(rd);

        router_field_read(rd, &field);
        out->subscribe[i] = (flags & 0x80) != 0;
        out->asked[i] = (struct router_eid){.iid = field.iid, .bits = bits, .addr = field.addr};
        if (field.addr.family == 0)
                out->asked[i].bits = 0;
        else if (bits > (field.addr.family == 4 ? 32 : 128))
                lx_reader_fail(rd, LX_ERR_RANGE);
        router_addr_mask(&out->asked[i].addr, out->asked[i].bits);
}

enum lx_err
router_map_request_decode(const uint8_t *bytes, size_t len, struct router_map_request *out_request)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct router_map_request request = {0};
        struct router_field source;
        unsigned count = read_request_head(&rd, &request);

        request.nonce = lx_read_u64(&rd);
        router_field_read(&rd, &source);
        request.source = router_eid_host(source.iid, &source.addr);
        if (source.addr.family == 0)
                request.source = (struct router_eid){0};
        read_itrs(&rd, &request);
        if (count == 0 || count > ROUTER_ASKED_MAX)
                lx_reader_fail(&rd, LX_ERR_RANGE);
        for (unsigned i = 0; i < count && rd.err == LX_OK; i++)
                read_asked(&rd, &request, i);
        request.asked_count = (uint8_t)count;
        if (request.map_data)
                router_record_read(&rd, &request.record);
        if (request.has_xtr_id) {
                lx_read_bytes(&rd, request.xtr_id, sizeof(request.xtr_id));
                request.site_id = lx_read_u64(&rd);
        }
        if (rd.err == LX_OK)
                rd.left = 0; /* RFC 9301 leaves room behind the records; others use it */
        if (lx_reader_end(&rd) == LX_OK)
                *out_request = request;
        return lx_reader_end(&rd);
}

static void
write_request_head(const struct router_map_request *r, struct lx_writer *wr)
{
        lx_write_u32(wr, (uint32_t)ROUTER_MAP_REQUEST << 28 | (uint32_t)r->authoritative << 27 |
                             (uint32_t)r->map_data << 26 | (uint32_t)r->probe << 25 |
                             (uint32_t)r->smr << 24 | (uint32_t)r->pitr << 23 |
                             (uint32_t)r->smr_invoked << 22 | (uint32_t)r->has_xtr_id << 20 |
                             (uint32_t)r->local_only << 14 | (uint32_t)r->no_data << 13 |
                             (uint32_t)((r->itr_count - 1u) & 31u) << 8 | r->asked_count);
        lx_write_u64(wr, r->nonce);
        router_iid_write(wr, r->source.iid, &r->source.addr);
}

void
router_map_request_encode(const struct router_map_request *request, struct lx_writer *wr)
{
        const struct router_map_request *r = request;

        if (r->itr_count == 0 || r->itr_count > ROUTER_ITRS_MAX || r->asked_count == 0 ||
            r->asked_count > ROUTER_ASKED_MAX) {
                lx_writer_fail(wr, LX_ERR_RANGE);
                return;
        }
        write_request_head(r, wr);
        for (unsigned i = 0; i < r->itr_count; i++)
                router_addr_write(wr, &r->itr[i]);
        for (unsigned i = 0; i < r->asked_count; i++) {
                lx_write_u8(wr, r->subscribe[i] ? 0x80 : 0);
                lx_write_u8(wr, r->asked[i].bits);
                router_iid_write(wr, r->asked[i].iid, &r->asked[i].addr);
        }
        if (r->map_data)
                router_record_write(wr, &r->record);
        if (r->has_xtr_id) {
                lx_write_bytes(wr, r->xtr_id, sizeof(r->xtr_id));
                lx_write_u64(wr, r->site_id);
        }
}

/* ---- Map-Reply --------------------------------------------------------------------------------- */

enum lx_err
router_map_reply_decode(const uint8_t *bytes, size_t len, struct router_map_reply *out_reply,
    struct lx_reader *out_records)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        uint32_t head = lx_read_u32(&rd);
        struct router_map_reply reply = {.probe = (head >> 27 & 1) != 0,
            .echo_nonce = (head >> 26 & 1) != 0,
            .security = (head >> 25 & 1) != 0,
            .record_count = (uint8_t)head,
            .nonce = lx_read_u64(&rd)};

        if (head >> 28 != ROUTER_MAP_REPLY)
                lx_reader_fail(&rd, LX_ERR_FORMAT);
        if (rd.err != LX_OK)
                return rd.err;
        *out_reply = reply;
        *out_records = rd;
        return LX_OK;
}

void
router_map_reply_encode(const struct router_map_reply *reply, struct lx_writer *wr)
{
        lx_write_u32(wr, (uint32_t)ROUTER_MAP_REPLY << 28 | (uint32_t)reply->probe << 27 |
                             (uint32_t)reply->echo_nonce << 26 | (uint32_t)reply->security << 25 |
                             reply->record_count);
        lx_write_u64(wr, reply->nonce);
}

/* ---- Map-Register, Map-Notify, Map-Notify-Ack -------------------------------------------------- */

/* RFC 9301 5.6: |Type=3 |P|S|I|        Reserved       |E|T|a|R|M| Record Count  | */
static void
take_register_head(uint32_t head, struct router_map_register *out)
{
        out->type = (enum router_type)(head >> 28);
        out->record_count = (uint8_t)head;
        if (out->type != ROUTER_MAP_REGISTER)
                return;
        out->proxy_reply = (head >> 27 & 1) != 0;
        out->security = (head >> 26 & 1) != 0;
        out->has_xtr_id = (head >> 25 & 1) != 0;
        out->encrypted = (head >> 12 & 1) != 0;
        out->use_ttl = (head >> 11 & 1) != 0;
        out->merge = (head >> 10 & 1) != 0;
        out->mobile = (head >> 9 & 1) != 0;
        out->want_notify = (head >> 8 & 1) != 0;
}

enum lx_err
router_map_register_decode(const uint8_t *bytes, size_t len,
    struct router_map_register *out_message, struct lx_reader *out_records)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct router_map_register message = {0};

        take_register_head(lx_read_u32(&rd), &message);
        if (message.type < ROUTER_MAP_REGISTER || message.type > ROUTER_MAP_NOTIFY_ACK)
                lx_reader_fail(&rd, LX_ERR_FORMAT);
        if (message.encrypted)
                lx_reader_fail(&rd, LX_ERR_VERSION);
        message.nonce = lx_read_u64(&rd);
        message.key_id = lx_read_u8(&rd);
        message.alg = lx_read_u8(&rd);
        message.auth = lx_read_var16(&rd, ROUTER_AUTH_MAX);
        message.auth_offset = len - rd.left - message.auth.len;
        if (rd.err != LX_OK)
                return rd.err;
        *out_message = message;
        *out_records = rd;
        return LX_OK;
}

enum lx_err
router_map_register_end(struct router_map_register *message, struct lx_reader *records)
{
        if (message->has_xtr_id) {
                lx_read_bytes(records, message->xtr_id, sizeof(message->xtr_id));
                message->site_id = lx_read_u64(records);
        }
        return lx_reader_end(records);
}

void
router_map_register_encode(
    const struct router_map_register *message, struct lx_writer *wr, size_t *out_offset)
{
        const struct router_map_register *m = message;
        uint32_t head = (uint32_t)m->type << 28 | m->record_count;

        if (m->type == ROUTER_MAP_REGISTER)
                head |= (uint32_t)m->proxy_reply << 27 | (uint32_t)m->security << 26 |
                        (uint32_t)m->has_xtr_id << 25 | (uint32_t)m->use_ttl << 11 |
                        (uint32_t)m->merge << 10 | (uint32_t)m->mobile << 9 |
                        (uint32_t)m->want_notify << 8;
        lx_write_u32(wr, head);
        lx_write_u64(wr, m->nonce);
        lx_write_u8(wr, m->key_id);
        lx_write_u8(wr, m->alg);
        lx_write_u16(wr, (uint16_t)m->auth.len);
        *out_offset = wr->len;
        lx_write_bytes(wr, m->auth.p, m->auth.len);
}

/* ---- Encapsulated Control Message -------------------------------------------------------------- */

enum lx_err
router_encapsulated_decode(const uint8_t *bytes, size_t len, struct router_encapsulated *out_message)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        uint32_t head = lx_read_u32(&rd);
        struct router_encapsulated message = {
            .security = (head >> 27 & 1) != 0, .ddt = (head >> 26 & 1) != 0};
        struct router_packet inner;
        struct lx_reader udp;

        if (head >> 28 != ROUTER_ENCAPSULATED)
                lx_reader_fail(&rd, LX_ERR_FORMAT);
        if (message.security)
                lx_reader_fail(&rd, LX_ERR_VERSION);
        if (rd.err != LX_OK)
                return rd.err;
        if (!router_packet_parse(bytes + 4, len - 4, &inner) || inner.protocol != 17 || inner.fragment)
                return LX_ERR_FORMAT;
        udp = lx_reader_init(bytes + 4 + inner.header_len, inner.len - inner.header_len);
        message.from = (struct router_at){inner.source, lx_read_u16(&udp)};
        message.to = (struct router_at){inner.dest, lx_read_u16(&udp)};
        (void)lx_read_u32(&udp); /* length, checksum: the IP length bounds it */
        message.message = LX_SPAN(udp.p, udp.left);
        if (udp.err != LX_OK || message.to.port != ROUTER_PORT_CONTROL)
                return LX_ERR_FORMAT;
        *out_message = message;
        return LX_OK;
}

void
router_encapsulated_encode(const struct router_encapsulated *message, struct lx_writer *wr)
{
        uint8_t head[48];
        size_t head_len = router_packet_udp_header(&message->from, &message->to, message->message.p,
            message->message.len, head);

        lx_write_u32(wr, (uint32_t)ROUTER_ENCAPSULATED << 28 | (uint32_t)message->ddt << 26);
        if (head_len == 0) {
                lx_writer_fail(wr, LX_ERR_RANGE);
                return;
        }
        lx_write_bytes(wr, head, head_len);
        lx_write_bytes(wr, message->message.p, message->message.len);
}
