/* router/envelope.c - see router/envelope.h. */
#include "config.h"
#include "router/envelope.h"

#define MARK 0x0b000000u

void
router_envelope_write(uint8_t kind, const struct router_addr *to, const struct router_addr *from,
    uint8_t out[ROUTER_ENVELOPE_LEN])
{
        struct lx_writer wr = lx_writer_init(out, ROUTER_ENVELOPE_LEN);

        lx_write_u32(&wr, MARK);
        lx_write_u32(&wr, kind);
        lx_write_bytes(&wr, to->b, 16);
        lx_write_bytes(&wr, from->b, 16);
}

bool
router_envelope_read(const uint8_t *bytes, size_t len, struct router_envelope *out_envelope)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        uint32_t mark = lx_read_u32(&rd), kind = lx_read_u32(&rd);
        struct router_envelope e = {.kind = (uint8_t)kind, .to.family = 6, .from.family = 6};

        lx_read_bytes(&rd, e.to.b, 16);
        lx_read_bytes(&rd, e.from.b, 16);
        e.payload = LX_SPAN(rd.p, rd.left);
        if (rd.err != LX_OK || mark != MARK || kind > 255)
                return false;
        *out_envelope = e;
        return true;
}
