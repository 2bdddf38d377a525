/* kit/pass.c - see kit/pass.h. */
#include "config.h"
#include "kit/pass.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/ecdh.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "llp/frame.h"

#include <string.h>

#define RTO_MS 1200.0 /* a lost segment is sent again after so long */
#define YEAR_MS (365ull * 24 * 3600 * 1000)

struct pass_segment {
        struct pass_segment *next;
        double at_ms;
        size_t len;
        uint8_t bytes[];
};

static uint64_t
draw(uint64_t *state)
{
        uint64_t x = *state += 0x9e3779b97f4a7c15ull;

        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        return x ^ (x >> 31);
}

static uint64_t
wall(void *arg)
{
        const struct pass *pass = arg;

        return pass->wall_base + pass->now_ms;
}

/* ---- line ---------------------------------------------------------------------------------------- */

static void
line_clear(struct pass_line *line)
{
        while (line->first != NULL) {
                struct pass_segment *s = line->first;

                line->first = s->next;
                lx_free(s);
        }
        line->end = &line->first;
        line->free_ms = line->arrival_ms = 0;
}

static void
line_put(struct pass *pass, struct pass_line *line, const uint8_t *bytes, size_t len)
{
        for (size_t at = 0; at < len; at += PASS_SEGMENT) {
                size_t n = len - at < PASS_SEGMENT ? len - at : PASS_SEGMENT;
                struct pass_segment *s = lx_alloc(sizeof(*s) + n);
                double begin = line->free_ms > (double)pass->now_ms ? line->free_ms : (double)pass->now_ms;
                double takes = (double)(n + PASS_HEADERS) * 8000.0 / pass->rate_bps;

                line->free_ms = begin + takes;
                line->bytes += n + PASS_HEADERS;
                line->payload += n;
                s->at_ms = line->free_ms + (double)pass->delay_ms;
                while (draw(&pass->seed) % 100 < pass->loss_percent) {
                        s->at_ms += RTO_MS;
                        line->free_ms += takes;
                }
                if (s->at_ms < line->arrival_ms)
                        s->at_ms = line->arrival_ms; /* in order: it waits for the one before */
                line->arrival_ms = s->at_ms;
                s->len = n;
                memcpy(s->bytes, bytes + at, n);
                *line->end = s;
                line->end = &s->next;
        }
}

static void
line_take(struct pass *pass, struct pass_line *line, struct llp_peer *to)
{
        while (line->first != NULL && line->first->at_ms <= (double)pass->now_ms && pass->with != NULL) {
                struct pass_segment *s = line->first;

                line->first = s->next;
                if (line->first == NULL)
                        line->end = &line->first;
                llp_peer_input(to, s->bytes, s->len, pass->now_ms);
                lx_free(s);
        }
}

static void
store(struct pass *pass, struct lx_why *why)
{
        enum lx_err err = pass->history != NULL ? light_history_sync(pass->history, pass->light, why) : LX_OK;

        pass->stored = err == LX_OK ? light_store_sync(&pass->store, pass->light, why) : err;
}

/* ---- nets ---------------------------------------------------------------------------------------- */

static bool
near_send(void *arg, uint32_t peer, unsigned type, const void *bytes, size_t len)
{
        struct pass *pass = arg;

        return pass->near != NULL && peer == pass->handle && llp_peer_send(pass->near, type, bytes, len);
}

static bool
near_room(void *arg, uint32_t peer, unsigned type)
{
        struct pass *pass = arg;

        return pass->near != NULL && peer == pass->handle && llp_peer_has_room(pass->near, type);
}

static void
near_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        struct pass *pass = arg;

        (void)peer;
        (void)reason;
        pass->punished += points;
        pass->lost = true; /* dropped */
}

static bool
far_send(void *arg, uint32_t peer, unsigned type, const void *bytes, size_t len)
{
        struct pass_station *s = arg;
        struct pass *pass = s->pass;
        uint8_t copy[LIGHT_PART_MAX + 16];

        if (pass->far == NULL || pass->with != s || peer != pass->handle)
                return false;
        s->parts++;
        lx_assert(len <= sizeof(copy));
        memcpy(copy, bytes, len);
        if (s->meddle != NULL && !s->meddle(s, copy, &len))
                return true;
        return llp_peer_send(pass->far, type, copy, len);
}

static bool
far_room(void *arg, uint32_t peer, unsigned type)
{
        struct pass_station *s = arg;

        return s->pass->far != NULL && s->pass->with == s && peer == s->pass->handle &&
               llp_peer_has_room(s->pass->far, type);
}

static void
far_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        (void)peer;
        (void)points;
        (void)reason;
        ((struct pass_station *)arg)->pass->lost = true;
}

/* ---- peers --------------------------------------------------------------------------------------- */

static void
near_ready(void *arg, const struct llp_hello *hello, uint64_t now_ms)
{
        struct pass *pass = arg;

        llp_contact_up(pass->contact, pass->handle, &pass->with->id, hello, now_ms);
}

static enum lx_err
near_message(void *arg, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct pass *pass = arg;
        enum lx_err err = llp_contact_receive(pass->contact, pass->handle, type, bytes, len, now_ms);
        struct lx_why why = {{0}};

        store(pass, &why);
        return err;
}

static void
far_ready(void *arg, const struct llp_hello *hello, uint64_t now_ms)
{
        struct pass *pass = arg;

        (void)hello;
        (void)now_ms;
        llp_station_peer_up(pass->with->station, pass->handle);
}

static enum lx_err
far_message(void *arg, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct pass *pass = arg;

        (void)now_ms;
        return llp_station_receive(pass->with->station, pass->handle, type, bytes, len);
}

static struct llp_peer *
make_peer(struct pass *pass, bool near)
{
        struct pass_station *s = pass->with;
        struct llp_peer_options options = {.initiator = near,
            .secret = near ? pass->secret : s->secret,
            .ping_seed = draw(&pass->seed),
            .has_remote = near,
            .remote = s->id,
            .scratch = pass->scratch,
            .calls = {near ? near_ready : far_ready, near ? near_message : far_message, pass}};
        struct llp_peer *peer = NULL;

        for (size_t i = 0; i < 32; i++)
                options.ephemeral[i] = (uint8_t)draw(&pass->seed);
        options.hello = (struct llp_hello){.version = LLP_VERSION,
            .chain_id = pass->options.chain_id,
            .roles = near ? LLP_ROLE_LIGHT : LLP_ROLE_FULL,
            .agent = "lxnoded/0.1"};
        if (near) {
                options.hello.height = light_height(pass->light);
                options.hello.tip = *light_hash(pass->light);
        } else {
                options.hello.height = kit_ledger_tip(s->kit, &options.hello.tip) + s->claims;
        }
        lx_assert(llp_peer_new(&options, pass->now_ms, &peer) == LX_OK);
        return peer;
}

static void
end_contact(struct pass *pass)
{
        struct lx_why why = {{0}};

        if (pass->with == NULL)
                return;
        llp_contact_down(pass->contact, pass->handle, pass->now_ms);
        llp_station_peer_down(pass->with->station, pass->handle);
        store(pass, &why);
        llp_peer_free(pass->near);
        llp_peer_free(pass->far);
        pass->near = pass->far = NULL;
        pass->with = NULL;
        pass->lost = false;
        line_clear(&pass->up);
        line_clear(&pass->down);
}

void
pass_connect(struct pass *pass, struct pass_station *station)
{
        end_contact(pass);
        pass->now_ms += 2 * pass->delay_ms + 2 * 8000ull * (PASS_HEADERS + 20) / pass->rate_bps;
        pass->with = station;
        pass->handle++;
        pass->near = make_peer(pass, true);
        pass->far = make_peer(pass, false);
}

void
pass_cut(struct pass *pass)
{
        end_contact(pass);
}

/* ---- time ---------------------------------------------------------------------------------------- */

static void
flush(struct pass *pass, struct llp_peer *peer, struct pass_line *line)
{
        /* The kernel holds little: the next frame is chosen when the line is free. */
        while (line->free_ms <= (double)pass->now_ms && llp_peer_has_output(peer)) {
                size_t len = llp_peer_output(peer, pass->wire, sizeof(pass->wire), pass->now_ms);

                line_put(pass, line, pass->wire, len);
        }
}

static uint64_t
ceil_ms(double ms)
{
        uint64_t whole = (uint64_t)ms;

        return (double)whole < ms ? whole + 1 : whole;
}

static uint64_t
next_event(const struct pass *pass)
{
        uint64_t next = llp_peer_deadline_ms(pass->near), d;
        const struct pass_line *lines[2] = {&pass->up, &pass->down};

        d = llp_peer_deadline_ms(pass->far);
        next = d < next ? d : next;
        d = llp_contact_deadline_ms(pass->contact);
        next = d < next ? d : next;
        for (int i = 0; i < 2; i++) {
                if (lines[i]->first != NULL) {
                        d = ceil_ms(lines[i]->first->at_ms);
                        next = d < next ? d : next;
                }
                if (llp_peer_has_output(i == 0 ? pass->near : pass->far)) {
                        d = ceil_ms(lines[i]->free_ms);
                        next = d < next ? d : next;
                }
        }
        return next;
}

static void
step(struct pass *pass)
{
        struct lx_why why = {{0}};

        line_take(pass, &pass->down, pass->near);
        line_take(pass, &pass->up, pass->far);
        llp_peer_tick(pass->near, pass->now_ms);
        llp_peer_tick(pass->far, pass->now_ms);
        if (llp_contact_deadline_ms(pass->contact) <= pass->now_ms)
                llp_contact_tick(pass->contact, pass->now_ms);
        while (kit_ledger_run(pass->with->kit))
                ;
        llp_station_writable(pass->with->station);
        while (kit_ledger_run(pass->with->kit))
                ;
        store(pass, &why);
        flush(pass, pass->near, &pass->up);
        flush(pass, pass->far, &pass->down);
        if (llp_peer_state(pass->near) == LLP_PEER_CLOSED || llp_peer_state(pass->far) == LLP_PEER_CLOSED ||
            llp_peer_state(pass->near) == LLP_PEER_CLOSING)
                pass->lost = true;
        if (pass->watch != NULL)
                pass->watch(pass, pass->watch_arg);
}

bool
pass_until(struct pass *pass, bool (*is)(struct pass *pass), uint64_t ms)
{
        uint64_t end = pass->now_ms + ms;

        while (pass->with != NULL) {
                uint64_t next;

                step(pass);
                if (pass->lost) {
                        end_contact(pass);
                        break;
                }
                if (is != NULL && is(pass))
                        return true;
                next = next_event(pass);
                if (next <= pass->now_ms)
                        next = pass->now_ms + 1;
                if (next >= end)
                        break;
                pass->now_ms = next;
        }
        if (pass->with != NULL)
                pass->now_ms = end;
        return false;
}

bool
pass_run(struct pass *pass, uint64_t ms)
{
        (void)pass_until(pass, NULL, ms);
        return pass->with != NULL;
}

/* ---- the light node ------------------------------------------------------------------------------ */

static void
open_light(struct pass *pass)
{
        struct llp_contact_options options = {.net = &pass->net, .wall_ms = wall, .arg = pass,
            .budget_bytes = pass->budget};
        struct lx_why why = {{0}};

        pass->light = light_new(&pass->options);
        lx_assert(light_store_open(&pass->store, ledger_memdisk_storage(pass->disk), pass->light, &why) == LX_OK);
        options.light = pass->light;
        if (pass->wants_history)
                lx_assert(light_history_open(ledger_memdisk_storage(pass->disk), pass->light, &pass->history, &why) == LX_OK);
        options.history = pass->history;
        pass->contact = llp_contact_new(&options);
}

void
pass_init(struct pass *pass, const struct kit_ledger *kit, uint64_t seed)
{
        uint8_t raw[32];

        *pass = (struct pass){.seed = seed, .rate_bps = 9600, .delay_ms = 300, .now_ms = 1000};
        pass->options = (struct light_options){
            .ops = lx_crypto_ops(), .chain_id = *ledger_chain_id(kit->ledger), .trust_ms = YEAR_MS};
        pass->wall_base = ledger_genesis(kit->ledger)->time_ms + 3600 * 1000;
        pass->net = (struct llp_net){near_send, near_room, near_punish, pass};
        pass->up.end = &pass->up.first;
        pass->down.end = &pass->down.first;
        memset(raw, 0x31, sizeof(raw));
        lx_assert(lx_ecdh_even(raw, pass->secret) == LX_OK);
        pass->disk = ledger_memdisk_new();
        open_light(pass);
}

static void
close_light(struct pass *pass)
{
        end_contact(pass);
        llp_contact_free(pass->contact);
        light_history_free(pass->history);
        pass->history = NULL;
        light_free(pass->light);
}

void
pass_keep_history(struct pass *pass)
{
        close_light(pass);
        pass->wants_history = true;
        open_light(pass);
}

void
pass_power_cut(struct pass *pass, uint64_t choice)
{
        close_light(pass);
        ledger_memdisk_crash(pass->disk, choice);
        open_light(pass);
}

void
pass_clear(struct pass *pass)
{
        close_light(pass);
        for (size_t i = 0; i < pass->station_count; i++)
                llp_station_free(pass->station[i].station);
        ledger_memdisk_free(pass->disk);
}

struct pass_station *
pass_add(struct pass *pass, struct kit_ledger *kit)
{
        struct pass_station *s = &pass->station[pass->station_count++];
        struct llp_station_options options = {.ledger = kit->ledger, .blobs = kit->blobs, .pool = kit->pool};
        uint8_t raw[32];

        *s = (struct pass_station){.pass = pass, .kit = kit};
        memset(raw, (int)(0x41 + pass->station_count), sizeof(raw));
        lx_assert(lx_ecdh_even(raw, s->secret) == LX_OK && lx_sign_pubkey(raw, &s->id) == LX_OK);
        s->net = (struct llp_net){far_send, far_room, far_punish, s};
        options.net = &s->net;
        s->station = llp_station_new(&options);
        return s;
}

bool
pass_is_done(struct pass *pass)
{
        struct llp_contact_stats stats;

        llp_contact_get_stats(pass->contact, &stats);
        return pass->with != NULL && light_header(pass->light) != NULL &&
               light_height(pass->light) == kit_ledger_tip(pass->with->kit, NULL) && stats.never == 0 &&
               stats.stale == 0 && !stats.wants_path && stats.history_missing == 0 && stats.done;
}

void
pass_trust(struct pass *pass, struct kit_ledger *kit, uint64_t height)
{
        struct ledger_view *view = ledger_view_new(kit->ledger);
        struct ledger_header header;
        struct lx_hash hash;
        struct lx_why why = {{0}};
        bool used;

        lx_assert(ledger_get_header(view, height, &header) == LX_OK);
        ledger_header_hash(&lx_crypto_ops()->hash, &header, &hash);
        lx_assert(light_trust(pass->light, height, &hash, &used, &why) == LX_OK);
        lx_assert(light_store_sync(&pass->store, pass->light, &why) == LX_OK);
        ledger_view_unref(view);
}

void
pass_watch(struct pass *pass, const struct lx_hash *address)
{
        struct light_entry entry = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = LX_HASH_LEN};
        struct lx_why why = {{0}};

        memcpy(entry.key, address->b, LX_HASH_LEN);
        lx_assert(light_watch(pass->light, &entry, NULL) == LX_OK);
        lx_assert(light_store_sync(&pass->store, pass->light, &why) == LX_OK);
}
