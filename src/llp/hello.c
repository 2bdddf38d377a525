/* llp/hello.c - see llp/hello.h. */
#include "config.h"
#include "llp/hello.h"

#include <string.h>

/* Text with a u8 length into @out (@max + 1 characters): printable ASCII only. */
static void
read_text(struct lx_reader *rd, size_t max, char *out)
{
        struct lx_span text = lx_read_str8(rd, max);

        for (size_t i = 0; i < text.len; i++)
                if (text.p[i] < 0x20 || text.p[i] > 0x7e)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
        if (text.len > 0)
                memcpy(out, text.p, text.len);
        out[text.len] = '\0';
}

void
llp_hello_encode(const struct llp_hello *hello, struct lx_writer *wr)
{
        lx_write_u16(wr, hello->version);
        lx_write_hash(wr, &hello->chain_id);
        lx_write_u64(wr, hello->height);
        lx_write_hash(wr, &hello->tip);
        lx_write_u32(wr, hello->roles);
        lx_write_u16(wr, hello->listen_port);
        lx_write_str8(wr, LX_SPAN(hello->agent, strlen(hello->agent)));
}

enum lx_err
llp_hello_decode(const uint8_t *bytes, size_t len, struct llp_hello *out_hello)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct llp_hello hello = {.version = lx_read_u16(&rd)};
        enum lx_err err;

        if (rd.err == LX_OK && hello.version != LLP_VERSION)
                lx_reader_fail(&rd, LX_ERR_VERSION);
        hello.chain_id = lx_read_hash(&rd);
        hello.height = lx_read_u64(&rd);
        hello.tip = lx_read_hash(&rd);
        hello.roles = lx_read_u32(&rd);
        hello.listen_port = lx_read_u16(&rd);
        read_text(&rd, LLP_AGENT_MAX, hello.agent);
        err = lx_reader_end(&rd);
        if (err == LX_OK)
                *out_hello = hello;
        return err;
}

void
llp_goodbye_encode(const struct llp_goodbye *bye, struct lx_writer *wr)
{
        lx_write_u8(wr, bye->reason);
        lx_write_str8(wr, LX_SPAN(bye->text, strlen(bye->text)));
}

enum lx_err
llp_goodbye_decode(const uint8_t *bytes, size_t len, struct llp_goodbye *out_bye)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct llp_goodbye bye = {.reason = lx_read_u8(&rd)};
        enum lx_err err;

        read_text(&rd, LLP_TEXT_MAX, bye.text);
        err = lx_reader_end(&rd);
        if (err == LX_OK)
                *out_bye = bye;
        return err;
}

void
llp_addrs_encode(const struct llp_node_addr *addrs, size_t count, struct lx_writer *wr)
{
        if (count > LLP_ADDRS_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u16(wr, (uint16_t)count);
        for (size_t i = 0; i < count; i++) {
                lx_write_bytes(wr, addrs[i].id.b, sizeof(addrs[i].id.b));
                llp_addr_write(wr, &addrs[i].addr);
        }
}

enum lx_err
llp_addrs_decode(const uint8_t *bytes, size_t len, struct llp_node_addr *out, size_t *out_count)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        size_t count = lx_read_u16(&rd);
        enum lx_err err;

        if (count > LLP_ADDRS_MAX)
                lx_reader_fail(&rd, LX_ERR_RANGE);
        for (size_t i = 0; i < count && rd.err == LX_OK; i++) {
                lx_read_bytes(&rd, out[i].id.b, sizeof(out[i].id.b));
                out[i].addr = llp_addr_read(&rd);
        }
        err = lx_reader_end(&rd);
        if (err == LX_OK)
                *out_count = count;
        return err;
}
