/*
 * tests/unit/check_router_noise.c - published vectors of X25519 and HMAC, handshakes there and back with every
 * byte wrong, frames, replays, signed records.
 */
#include "config.h"
#include "unit.h"

#include "crypto/mac.h"
#include "crypto/sign.h"
#include "crypto/x25519.h"
#include "router/noise.h"

/* RFC 7748 5.2 and Bob's keys of 6.1. */
START_TEST(test_x25519)
{
        uint8_t sec[32], pub[32], want[32], got[32], zero[32] = {0};

        unit_unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", sec);
        unit_unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", pub);
        unit_unhex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552", want);
        ck_assert(lx_x25519(sec, pub, got));
        ck_assert_mem_eq(got, want, 32);
        ck_assert(!lx_x25519(sec, zero, got));
        unit_unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", sec);
        unit_unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", want);
        lx_x25519_public(sec, pub);
        ck_assert_mem_eq(pub, want, 32);
}
END_TEST

/* RFC 4231 test case 2 and RFC 2202 test case 2. */
START_TEST(test_hmac)
{
        struct lx_span parts[2] = {LX_SPAN("what do ya want ", 16), LX_SPAN("for nothing?", 12)};
        uint8_t want[32], got[32];

        unit_unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", want);
        lx_hmac_sha256(LX_SPAN("Jefe", 4), parts, 2, got);
        ck_assert_mem_eq(got, want, 32);
        unit_unhex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", want);
        lx_hmac_sha1(LX_SPAN("Jefe", 4), parts, 2, got);
        ck_assert_mem_eq(got, want, 20);
}
END_TEST

struct pair {
        struct router_session *a, *b;
};

static void
fill(uint8_t out[32], uint8_t with)
{
        memset(out, with, 32);
}

static struct pair
handshake(void)
{
        struct lx_hash chain = unit_hash(1);
        struct router_noise a, b;
        uint8_t sa[32], sb[32], pa[32], pb[32], ea[32], eb[32], m1[ROUTER_NOISE1_LEN], m2[ROUTER_NOISE2_LEN];
        uint64_t counter;
        struct pair pair;

        fill(sa, 1), fill(sb, 2), fill(ea, 3), fill(eb, 4);
        lx_x25519_public(sa, pa);
        lx_x25519_public(sb, pb);
        ck_assert(router_noise_start(&a, &chain, sa, pb, ea, 77, m1));
        for (size_t i = 0; i < sizeof(m1); i++) {
                m1[i] ^= 0x20;
                ck_assert_msg(!router_noise_accept(&b, &chain, sb, m1, &counter), "byte %zu", i);
                m1[i] ^= 0x20;
        }
        ck_assert(!router_noise_accept(&b, &chain, sa, m1, &counter));
        ck_assert(router_noise_accept(&b, &chain, sb, m1, &counter));
        ck_assert_uint_eq(counter, 77);
        ck_assert_mem_eq(b.peer_s, pa, 32);
        ck_assert(router_noise_answer(&b, eb, m2));
        for (size_t i = 0; i < sizeof(m2); i++) {
                m2[i] ^= 0x20;
                ck_assert(!router_noise_finish(&a, sa, m2));
                m2[i] ^= 0x20;
        }
        ck_assert(router_noise_finish(&a, sa, m2));
        pair.a = router_session_new(&a, true, 0);
        pair.b = router_session_new(&b, false, 0);
        pair.a->remote_index = pair.b->local_index = 0xb0b;
        pair.b->remote_index = pair.a->local_index = 0xa11ce;
        return pair;
}

START_TEST(test_frames)
{
        struct pair p = handshake();
        uint8_t frame[100 + ROUTER_FRAME_OVERHEAD], copy[sizeof(frame)], *inner, text[100];
        size_t len, inner_len;
        uint32_t iid, index;

        memset(text, 0x5a, sizeof(text));
        for (unsigned i = 0; i < 200; i++) {
                len = router_session_seal(p.a, 0xabcdef, text, i % 101, frame);
                memcpy(copy, frame, len);
                ck_assert(router_frame_index(frame, len, &index));
                ck_assert_uint_eq(index, 0xb0b);
                copy[i % len] ^= 1; /* header or body */
                ck_assert_int_ne(router_session_open(p.b, copy, len, &iid, &inner, &inner_len), LX_OK);
                memcpy(copy, frame, len);
                ck_assert_int_eq(router_session_open(p.b, frame, len, &iid, &inner, &inner_len), LX_OK);
                ck_assert_uint_eq(inner_len, i % 101);
                ck_assert_mem_eq(inner, text, inner_len);
                ck_assert_uint_eq(iid, 0xabcdef);
                ck_assert_int_eq(
                    router_session_open(p.b, copy, len, &iid, &inner, &inner_len), LX_ERR_SEQUENCE);
        }
        /* a frame of one's own does not come back */
        p.b->sent = 5000;
        len = router_session_seal(p.b, 1, text, 10, frame);
        ck_assert_int_eq(router_session_open(p.b, frame, len, &iid, &inner, &inner_len), LX_ERR_SIGNATURE);
        router_session_free(p.a);
        router_session_free(p.b);
}
END_TEST

/* Late and doubled frames against a plain list of what came. */
START_TEST(test_window)
{
        enum { N = 40000 };
        struct pair p = handshake();
        static uint8_t came[N];
        uint64_t seed = 9, top = 0;

        for (unsigned i = 0; i < N; i++) {
                uint64_t jump = unit_random(&seed) % 20 == 0 ? unit_random(&seed) % 9000 : unit_random(&seed) % 3;
                uint64_t back = unit_random(&seed) % 9000, at;
                uint8_t frame[ROUTER_FRAME_OVERHEAD], *inner;
                size_t len;
                uint32_t iid;
                bool want;

                at = unit_random(&seed) % 2 == 0 ? top + jump : top - (back < top ? back : top);
                if (at >= N)
                        break;
                want = came[at] == 0 && (at >= top || top - at <= ROUTER_WINDOW - 64);
                p.a->sent = at;
                (void)router_session_seal(p.a, 0, NULL, 0, frame);
                ck_assert_msg((router_session_open(p.b, frame, sizeof(frame), &iid, &inner, &len) == LX_OK) == want,
                    "counter %llu below %llu", (unsigned long long)at, (unsigned long long)top);
                came[at] |= want;
                if (at >= top)
                        top = at + 1;
        }
        ck_assert_uint_gt(top, 10000);
        router_session_free(p.a);
        router_session_free(p.b);
}
END_TEST

START_TEST(test_record)
{
        struct lx_hash chain = unit_hash(1), other = unit_hash(2);
        uint8_t sec[32], bytes[2000];
        struct lx_pubkey key;
        struct router_signed claim = {.sequence = 5, .header = unit_hash(3), .expiry_ms = 1000}, got;
        struct router_record record;
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_reader rd;

        fill(sec, 7);
        ck_assert_int_eq(lx_sign_pubkey(sec, &key), LX_OK);
        ck_assert(router_eid_parse("[3]fd00::5/128", &claim.record.eid));
        claim.record.ttl_min = 60;
        claim.record.rloc_count = 2;
        claim.record.rloc[0] = (struct router_rloc){.priority = 1, .weight = 2};
        claim.record.rloc[1] = claim.record.rloc[0];
        ck_assert(router_addr_parse("192.0.2.1", &claim.record.rloc[0].addr));
        ck_assert(router_addr_parse("2001:db8::7", &claim.record.rloc[1].addr));
        claim.record.rloc[1].port = 4000;
        ck_assert_int_eq(router_signed_make(&claim, &chain, sec), LX_OK);
        router_signed_write(&wr, &claim);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        rd = lx_reader_init(bytes, wr.len);
        router_record_read(&rd, &record);
        ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
        ck_assert(router_signed_take(&record, &got));
        ck_assert(router_signed_verify(&got, &chain, &key));
        ck_assert(!router_signed_verify(&got, &other, &key));
        /* every byte of the record that means something is signed */
        for (size_t i = 0; i < wr.len; i++) {
                bool ok;

                bytes[i] ^= 1;
                rd = lx_reader_init(bytes, wr.len);
                router_record_read(&rd, &record);
                ok = lx_reader_end(&rd) == LX_OK && router_signed_take(&record, &got) &&
                     router_signed_verify(&got, &chain, &key);
                bytes[i] ^= 1;
                if (ok) /* reserved bits, versions, multicast, flags of locators: not the owner's word */
                        ck_assert_msg(got.sequence == 5 && got.record.ttl_min == 60 &&
                                          router_eid_eq(&got.record.eid, &claim.record.eid) &&
                                          router_addr_eq(&got.record.rloc[0].addr, &claim.record.rloc[0].addr) &&
                                          router_addr_eq(&got.record.rloc[1].addr, &claim.record.rloc[1].addr) &&
                                          got.record.rloc[0].priority == 1 && got.record.rloc[0].weight == 2 &&
                                          got.record.rloc[1].port == 4000,
                            "byte %zu", i);
        }
}
END_TEST

START_TEST(test_token)
{
        for (size_t len = 1; len < 60; len++) {
                uint8_t in[60], out[60];
                char name[100];
                size_t n;

                memset(in, (int)len * 37, sizeof(in));
                n = router_token_write('3', in, len, name);
                ck_assert_uint_eq(router_token_read('3', LX_SPAN(name, n), out, sizeof(out)), len);
                ck_assert_mem_eq(in, out, len);
                ck_assert_uint_eq(router_token_read('3', LX_SPAN(name, n), out, len - 1), 0);
                ck_assert_uint_eq(router_token_read('1', LX_SPAN(name, n), out, sizeof(out)), 0);
        }
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_x25519, test_hmac, test_frames, test_window, test_record,
            test_token, NULL};

        return unit_main("router_noise", cases, 60);
}
