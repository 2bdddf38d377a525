/*
 * tests/unit/check_router_foreign.c - map-servers and sites of other implementations: registering there, asking there, and
 * who may say what. On a false clock; the other side is the test.
 */
#include "config.h"
#include "router_net.h"

#include "crypto/mac.h"

#define KEY "their key"

struct other {
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        size_t len;
        uint8_t type;
        unsigned count;
};

static struct other heard; /* the last control message to 203.0.113.9 */

static void
listen_in(struct net *net, struct flight *f)
{
        (void)net;
        if (f->data || f->to.addr.b[0] != 203)
                return;
        memcpy(heard.bytes, f->bytes, f->len);
        heard.len = f->len;
        heard.type = router_message_type(f->bytes, f->len);
        heard.count++;
}

static struct router_at
other_at(void)
{
        return (struct router_at){net_addr("203.0.113.%u", 9), 4342};
}

static struct router_foreign
line(bool registers, const char *prefix)
{
        struct router_foreign f = {.at = other_at().addr, .registers = registers, .alg = ROUTER_ALG_SHA1_96,
            .key_len = sizeof(KEY) - 1};

        ck_assert(router_eid_parse(prefix, &f.eid));
        memcpy(f.key, KEY, sizeof(KEY) - 1);
        return f;
}

/* Two sites, plain; site 0 has one line about the other implementation. */
static struct net *
plain_net(const struct router_foreign *f, uint64_t seed)
{
        struct net *net = net_new(2, 1, seed);
        struct router_options o = {.plain_count = 2, .foreign_count = 1, .foreign = {*f}};

        heard = (struct other){.count = 0};
        net->sealed = false;
        net->tap = listen_in;
        ck_assert(router_eid_parse("192.0.2.0/24", &o.plain_from[0]));
        ck_assert(router_eid_parse("203.0.113.0/24", &o.plain_from[1]));
        net_start(net, 0, &o);
        return net;
}

/* A Map-Notify for what was heard, with @key; *wrong: a byte to spoil. */
static void
notify(struct net *net, const char *key, bool spoil, const struct router_at *from)
{
        struct router_map_register m;
        struct lx_reader rd;
        struct lx_span whole = LX_SPAN(heard.bytes, heard.len);
        uint8_t mac[20];

        ck_assert_int_eq(router_map_register_decode(heard.bytes, heard.len, &m, &rd), LX_OK);
        heard.bytes[0] = ROUTER_MAP_NOTIFY << 4;
        heard.bytes[1] = heard.bytes[2] = 0;
        memset(heard.bytes + m.auth_offset, 0, 20);
        lx_hmac_sha1(LX_SPAN(key, strlen(key)), &whole, 1, mac);
        memcpy(heard.bytes + m.auth_offset, mac, 20);
        heard.bytes[heard.len - 1] ^= spoil;
        router_control_input(net->site[0].router, net->now_ms, from, heard.bytes, heard.len);
}

/* As RFC 6833 says it: nothing newer in it; again until it is confirmed with the key, then every minute. */
START_TEST(test_register)
{
        struct router_foreign f = line(true, "10.0.0.0/16");
        struct net *net = plain_net(&f, 70);
        struct router_at at = other_at(), elsewhere = {net_addr("203.0.113.%u", 10), 4342};
        struct router_map_register m;
        struct router_record record;
        struct lx_reader rd;
        uint64_t nonce;
        unsigned count;

        net_run(net, 500);
        ck_assert_uint_eq(heard.type, ROUTER_MAP_REGISTER);
        ck_assert_int_eq(router_map_register_decode(heard.bytes, heard.len, &m, &rd), LX_OK);
        ck_assert(m.proxy_reply && m.want_notify && !m.has_xtr_id && !m.use_ttl && !m.merge && !m.mobile);
        ck_assert_uint_eq(m.key_id << 8 | m.alg, 1);
        ck_assert_uint_eq(m.auth.len, 20);
        router_record_read(&rd, &record);
        ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
        ck_assert(router_eid_eq(&record.eid, &f.eid));
        ck_assert_uint_eq(record.rloc_count, 1);
        ck_assert(router_addr_eq(&record.rloc[0].addr, &net->site[0].rloc) && record.rloc[0].name.len == 0);
        nonce = m.nonce;
        count = heard.count;
        net_run(net, 5000);
        ck_assert_uint_gt(heard.count, count);
        ck_assert_int_eq(router_map_register_decode(heard.bytes, heard.len, &m, &rd), LX_OK);
        ck_assert_uint_gt(m.nonce, nonce);
        notify(net, "another key", false, &at);
        ck_assert_uint_eq(net_count(net, 0)->refused_hmac, 1);
        net_run(net, 20000);
        notify(net, KEY, true, &at);
        net_run(net, 20000);
        notify(net, KEY, false, &elsewhere);
        ck_assert_uint_eq(net_count(net, 0)->foreign_registers, 0);
        net_run(net, 20000);
        notify(net, KEY, false, &at);
        ck_assert_uint_eq(net_count(net, 0)->foreign_registers, 1);
        count = heard.count;
        net_run(net, 59000);
        ck_assert_uint_eq(heard.count, count);
        net_run(net, 1500);
        ck_assert_uint_eq(heard.count, count + 1);
        net_free(net);
}
END_TEST

/* What the ledger does not give us, or does no more, is not registered. */
START_TEST(test_register_ours)
{
        struct router_foreign f = line(true, "10.1.0.0/16"), mine = line(true, "10.0.128.0/17");
        struct net *net = plain_net(&f, 71);
        unsigned count;

        net_run(net, 60000);
        ck_assert_uint_eq(heard.count, 0);
        net_free(net);
        net = plain_net(&mine, 72);
        net_run(net, 3000);
        ck_assert_uint_gt(heard.count, 0);
        net->part[0] = 1; /* that half was delegated to somebody else */
        net_block(net);
        net_run(net, 1000);
        count = heard.count;
        net_run(net, 120000);
        ck_assert_uint_eq(heard.count, count);
        net_free(net);
}
END_TEST

static uint64_t
asked_nonce(void)
{
        struct router_encapsulated e;
        struct router_map_request q;

        ck_assert_uint_eq(heard.type, ROUTER_ENCAPSULATED);
        ck_assert_int_eq(router_encapsulated_decode(heard.bytes, heard.len, &e), LX_OK);
        ck_assert_int_eq(router_map_request_decode(e.message.p, e.message.len, &q), LX_OK);
        ck_assert(!q.map_data && !q.has_xtr_id && !q.subscribe[0] && q.itr_count == 1 && q.asked_count == 1);
        return q.nonce;
}

static void
reply(struct net *net, uint64_t nonce, const char *prefix, const char *rloc)
{
        uint8_t bytes[300];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_reply r = {.nonce = nonce, .record_count = 1};
        struct router_record record = {.ttl_min = 10, .rloc_count = rloc != NULL};
        struct router_at at = other_at();

        ck_assert(router_eid_parse(prefix, &record.eid));
        if (rloc != NULL)
                record.rloc[0] = (struct router_rloc){.addr = net_parse(rloc), .priority = 1, .weight = 100, .flags = 5};
        router_map_reply_encode(&r, &wr);
        router_record_write(&wr, &record);
        router_control_input(net->site[0].router, net->now_ms, &at, bytes, wr.len);
}

static void
ping_out(struct net *net, const char *to)
{
        uint8_t bytes[300];
        struct router_addr a = net_addr("10.0.0.%u", 1), b = net_parse(to);

        router_tun_input(net->site[0].router, net->now_ms, 0, bytes, net_packet(&a, &b, 100, bytes));
}

/* What is not on the ledger is asked of whom the line names; its answers count inside the line, to RLOCs of policy. */
START_TEST(test_resolve)
{
        struct router_foreign f = line(false, "172.16.0.0/12");
        struct net *net = plain_net(&f, 73);
        uint64_t sent, nonce;

        net_run(net, 2000);
        ping_out(net, "172.16.5.9");
        nonce = asked_nonce();
        sent = net_count(net, 0)->encapsulated;
        reply(net, nonce ^ 1, "172.16.5.0/24", "203.0.113.9");
        ck_assert_uint_eq(net_count(net, 0)->refused_nonce, 1);
        reply(net, nonce, "172.0.0.0/8", "203.0.113.9"); /* more than it is asked for */
        reply(net, nonce, "172.17.0.0/24", "203.0.113.9"); /* something else */
        ck_assert_uint_eq(net_count(net, 0)->refused_owner, 2);
        ck_assert_uint_eq(net_count(net, 0)->encapsulated, sent);
        reply(net, nonce, "172.16.5.0/24", "203.0.113.9");
        ck_assert_uint_eq(net_count(net, 0)->encapsulated, sent + 1); /* what waited */
        ping_out(net, "172.16.5.10");
        ck_assert_uint_eq(net_count(net, 0)->encapsulated, sent + 2);
        /* an RLOC that no policy names; a no */
        ping_out(net, "172.16.6.1");
        reply(net, asked_nonce(), "172.16.6.0/24", "198.51.100.1");
        ping_out(net, "172.16.6.1");
        ping_out(net, "172.16.7.1");
        reply(net, asked_nonce(), "172.16.7.0/24", NULL);
        ping_out(net, "172.16.7.1");
        ck_assert_uint_eq(net_count(net, 0)->encapsulated, sent + 2);
        ck_assert_uint_ge(net->site[0].icmp, 2);
        /* outside of the line nobody is asked */
        sent = heard.count;
        ping_out(net, "172.32.0.1");
        net_run(net, 1000);
        ck_assert_uint_eq(heard.count, sent);
        net_free(net);
}
END_TEST

/* The ledger comes first: a line that covers what it gives to somebody is not asked about that. */
START_TEST(test_ledger_first)
{
        struct router_foreign f = line(false, "10.0.0.0/8");
        struct net *net = plain_net(&f, 74);
        struct router_options o = {.plain_count = 1};
        uint64_t back;

        ck_assert(router_eid_parse("192.0.2.0/24", &o.plain_from[0]));
        net_start(net, 1, &o);
        net_run(net, 2000);
        net_ping(net, 0, 1, 4);
        net_run(net, 2000);
        ck_assert_uint_eq(net->site[1].got, 1);
        ck_assert_uint_eq(heard.count, 0);
        /* nobody owns it any more: asked; somebody does again: the answer is not used any more */
        ping_out(net, "10.1.200.1");
        net_run(net, 100);
        net->holder[1] = NET_MAX - 1;
        net->revoked[NET_MAX - 1] = true;
        net_block(net);
        ping_out(net, "10.1.200.1");
        reply(net, asked_nonce(), "10.1.0.0/16", "203.0.113.9");
        ck_assert_uint_ge(net_count(net, 0)->taken_back, 1);
        back = net_count(net, 0)->taken_back;
        net->holder[1] = 1;
        net_block(net);
        net_run(net, 1000);
        ck_assert_uint_gt(net_count(net, 0)->taken_back, back);
        net_ping(net, 0, 1, 4);
        net_run(net, 2000);
        ck_assert_uint_ge(net->site[1].got, 2);
        net_free(net);
}
END_TEST

/* An EID that asks for sealing has no plain packets, either way, whatever policy names. */
START_TEST(test_sealed_binds)
{
        struct router_foreign f = line(false, "172.16.0.0/12");
        struct net *net = plain_net(&f, 75);
        struct router_at data = {other_at().addr, 4341};
        struct router_addr from = net_parse("172.16.5.9"), to = net_addr("10.0.0.%u", 1);
        uint8_t frame[300] = {0};
        uint64_t sent;
        size_t len;

        net_run(net, 2000);
        ping_out(net, "172.16.5.9");
        reply(net, asked_nonce(), "172.16.5.0/24", "203.0.113.9");
        len = 8 + net_packet(&from, &to, 100, frame + 8);
        router_data_input(net->site[0].router, net->now_ms, &data, frame, len, 0, 60);
        ck_assert_uint_eq(net_count(net, 0)->decapsulated, 1);
        sent = net_count(net, 0)->encapsulated;
        net->sealed = true;
        net_block(net);
        ping_out(net, "172.16.5.9");
        ck_assert_uint_eq(net_count(net, 0)->encapsulated, sent);
        memset(frame, 0, sizeof(frame));
        len = 8 + net_packet(&from, &to, 100, frame + 8);
        router_data_input(net->site[0].router, net->now_ms, &data, frame, len, 0, 60);
        ck_assert_uint_eq(net_count(net, 0)->decapsulated, 1);
        ck_assert_uint_eq(net_count(net, 0)->drop_plain_sealed, 2);
        net_free(net);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_register, test_register_ours, test_resolve, test_ledger_first,
            test_sealed_binds, NULL};

        return unit_main("router_foreign", cases, 60);
}
