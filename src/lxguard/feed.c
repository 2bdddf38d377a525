/*
 * lxguard/feed.c - following the node: proofs in, new rules out, the cache on disk. No verdict waits for it.
 */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "merkle/file.h"
#include "merkle/log.h"
#include "rpcclient/client.h"
#include "sigchain/state.h"
#include "sigchain/valset.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ASK_MS 500            /* between two questions to the node, when it does not tell by itself */
#define LISTEN_MS 30000       /* when it does */
#define WAIT_S 25             /* for the next block, in one call */
#define CALL_S 35             /* a node that says nothing for so long does not answer */
#define RETRY_MS 5000         /* after it did not answer */
#define SAVE_MS 600000        /* the cache is written this often though only heights rose */
#define TELL_MS 10000         /* the node hears how the guard is doing this often, sooner when something happened */
#define LOOK_MS 1000          /* how often it is looked whether something happened */
#define TELL_EVENTS 50        /* the newest that go with it */
#define DAY_MS 86400000ull
#define TRUST_FILE_MAX (1u << 20)

struct feed {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        pthread_mutex_t node_lock;  /* of client */
        struct rpcclient *client;
        pthread_t listener;
        struct rpcclient *listening; /* a connection of its own, that waits for blocks */
        int stop_fd;                 /* readable: no call goes on */
        atomic_bool subscribed;      /* the node tells of blocks */
        atomic_ullong heard;         /* height that it told of last */
        bool kicked, reachable;
        uint64_t head;              /* height of the node, as it says */
        uint64_t versions;          /* sum of the views', as in the rules */
        uint64_t saved_ms;
        uint64_t told_ms, told_events; /* the last report, and how many events there were */
        struct lx_why why;          /* why the last step failed */
};

/* ---- the pin and the cache --------------------------------------------------------------------- */

static bool
hex_into(const json_t *o, const char *name, uint8_t out[32])
{
        const char *s = json_string_value(json_object_get(o, name));

        return s != NULL && lx_unhex(s, strlen(s), out, LX_HASH_LEN);
}

static bool
hex_buf(const json_t *o, const char *name, struct lx_buf *out)
{
        const char *s = json_string_value(json_object_get(o, name));
        size_t len = s != NULL ? strlen(s) / 2 : 0;

        lx_buf_reset(out);
        if (s == NULL || !lx_unhex(s, strlen(s), lx_buf_reserve(out, len + 1), len))
                return false;
        lx_buf_add(out, len);
        return true;
}

static uint64_t
number(const json_t *o, const char *name)
{
        return (uint64_t)json_integer_value(json_object_get(o, name));
}

static enum lx_err
load_pin(struct lxguard *g, struct lx_why *why)
{
        const char *path = g->rules->policy->trust;
        struct lxv_trust pin = {.height = 0};
        struct lx_buf text = {0}, set = {0};
        struct lx_hash next;
        json_t *o = NULL;
        enum lx_err err = lx_file_read(path, TRUST_FILE_MAX, &text, NULL);

        if (err == LX_OK)
                o = json_loadb((const char *)text.p, text.len, 0, NULL);
        pin.height = number(o, "height");
        pin.time_ms = number(o, "time_ms");
        if (hex_into(o, "chain_id", pin.chain_id) && hex_into(o, "header", pin.header) && hex_buf(o, "valset", &set)) {
                sigchain_valset_hash(&lx_crypto_ops()->hash, set.p, set.len, &next);
                memcpy(pin.next_valset, next.b, LX_HASH_LEN);
                g->trust = guard_trust_new(&pin, lx_buf_span(&set), number(o, "trust_days") * DAY_MS);
        } else {
                lx_why_set(why, "%s: %s; lx guard trust PUBLISHER writes it", path,
                    err != LX_OK ? lx_err_text(err) : "no pinned header in it");
                err = err != LX_OK ? err : LX_ERR_FORMAT;
        }
        lx_buf_clear(&text);
        lx_buf_clear(&set);
        json_decref(o);
        return err;
}

static char *
state_path(struct lxguard *g, const char *name)
{
        struct lx_buf buf = {0};
        char *path;

        lx_buf_printf(&buf, "%s/%s", g->rules->policy->state_dir, name);
        path = lx_strdup(lx_buf_str(&buf));
        lx_buf_clear(&buf);
        return path;
}

static uint64_t
versions(struct lxguard *g)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < g->view_count; i++)
                sum += guard_view_version(g->views[i]);
        return sum;
}

/* The views that the policy names; what is known of them is kept. */
static void
make_views(struct lxguard *g, const struct guard_policy *policy)
{
        g->view_count = policy->publisher_count;
        g->views = lx_alloc_array(g->view_count + 1, sizeof(struct guard_view *));
        for (size_t i = 0; i < g->view_count; i++)
                g->views[i] = guard_view_new(&policy->publisher[i].genesis, policy->publisher[i].own);
}

enum lx_err
feed_load(struct lxguard *g, struct lx_why *why)
{
        struct lx_buf cache = {0};
        struct lx_why inner = {{0}};
        char *path = state_path(g, "cache");
        enum lx_err err = load_pin(g, why);

        make_views(g, g->rules->policy);
        if (err == LX_OK && lx_file_read(path, GUARD_CACHE_MAX, &cache, NULL) == LX_OK) {
                enum lx_err read =
                    guard_cache_decode(lx_buf_span(&cache), g->trust, g->views, g->view_count, &inner);

                if (read != LX_OK) {
                        log_error(GUARD, "the cache does not hold", "path=%s error=%s why=%s next=%s", path,
                            lx_err_text(read), inner.text, "nothing of it is used; the node is asked");
                        for (size_t i = 0; i < g->view_count; i++)
                                guard_view_free(g->views[i]);
                        lx_free(g->views);
                        guard_trust_free(g->trust);
                        g->trust = NULL;
                        make_views(g, g->rules->policy);
                        err = load_pin(g, why);
                }
        }
        lx_buf_clear(&cache);
        lx_free(path);
        return err;
}

/* The trust has moved since the cache was written, and heights do not go back: so it is read with a trust of its
 * own, from the same pin. */
void
feed_reread(struct lxguard *g)
{
        struct guard_trust *now = g->trust, *from_pin;
        struct lx_buf cache = {0};
        struct lx_why why = {{0}};
        char *path = state_path(g, "cache");

        if (load_pin(g, &why) == LX_OK && lx_file_read(path, GUARD_CACHE_MAX, &cache, NULL) == LX_OK &&
            guard_cache_decode(lx_buf_span(&cache), g->trust, g->views, g->view_count, &why) != LX_OK)
                log_warn(GUARD, "the cache does not hold", "why=%s next=%s", why.text, "the node is asked");
        from_pin = g->trust;
        g->trust = now;
        if (from_pin != now)
                guard_trust_free(from_pin);
        lx_buf_clear(&cache);
        lx_free(path);
}

static void
save_cache(struct lxguard *g)
{
        struct lx_buf cache = {0};
        struct lx_why why = {{0}};
        char *path = state_path(g, "cache");

        guard_cache_encode(g->trust, g->views, g->view_count, &cache);
        if (lx_file_write(path, cache.p, cache.len, 0600, &why) != LX_OK)
                log_error(GUARD, "the cache cannot be written", "why=%s next=%s", why.text,
                    "the next start has the older one");
        g->feed->saved_ms = lx_clock_now_ms();
        lx_buf_clear(&cache);
        lx_free(path);
}

/* ---- one publisher ----------------------------------------------------------------------------- */

static enum lx_err
call(struct feed *feed, const char *method, json_t *params, json_t **out, struct lx_why *why)
{
        enum lx_err err;

        (void)pthread_mutex_lock(&feed->node_lock);
        err = rpcclient_call(feed->client, method, params, out, why);
        (void)pthread_mutex_unlock(&feed->node_lock);
        return err;
}

static enum lx_err
begin(struct lxguard *g, struct guard_view *view, const struct lx_hash *genesis, struct lx_why *why)
{
        struct lx_buf part[5] = {{0}};
        char hex[LX_HEX_LEN(LX_HASH_LEN)];
        json_t *o = NULL, *proof, *state, *item = NULL;
        struct guard_proof p;
        size_t i;
        enum lx_err err;

        lx_hex(genesis->b, LX_HASH_LEN, hex);
        err = call(g->feed, "profile.get", json_pack("{s:s,s:b}", "genesis", hex, "prove", 1), &o, why);
        proof = json_object_get(o, "proof");
        json_array_foreach(json_object_get(proof, "state"), i, state)
                if (number(state, "kind") == SIGCHAIN_KIND_CHAIN)
                        item = state;
        if (err == LX_OK && (!hex_buf(proof, "header", &part[0]) || !hex_buf(proof, "cert", &part[1]) ||
            !hex_buf(proof, "valset", &part[2]) || !hex_buf(item, "path", &part[4]) ||
            (!json_is_null(json_object_get(item, "value")) && !hex_buf(item, "value", &part[3])))) {
                lx_why_set(why, "the node's answer has no well-formed proof");
                err = LX_ERR_FORMAT;
        }
        p = (struct guard_proof){lx_buf_span(&part[0]), lx_buf_span(&part[1]), lx_buf_span(&part[2]),
            lx_buf_span(&part[3]), lx_buf_span(&part[4])};
        if (err == LX_OK)
                err = guard_view_begin(view, g->trust, &p, lx_clock_walltime().ms, why);
        for (i = 0; i < 5; i++)
                lx_buf_clear(&part[i]);
        json_decref(o);
        return err;
}

static enum lx_err
fetch_tx(struct lxguard *g, struct guard_view *view, const struct lx_hash *id, struct lx_why *why)
{
        char hex[LX_HEX_LEN(LX_HASH_LEN)];
        struct lx_buf bytes = {0};
        json_t *o = NULL;
        enum lx_err err;

        lx_hex(id->b, LX_HASH_LEN, hex);
        err = call(g->feed, "chain.tx", json_pack("{s:s}", "id", hex), &o, why);
        if (err == LX_OK && !hex_buf(o, "bytes", &bytes))
                err = LX_ERR_FORMAT;
        if (err == LX_OK)
                err = guard_view_give_tx(view, lx_buf_span(&bytes), why);
        lx_buf_clear(&bytes);
        json_decref(o);
        return err;
}

static enum lx_err
fetch_manifest(struct lxguard *g, struct guard_view *view, const struct lx_hash *root, struct lx_why *why)
{
        struct lx_buf bytes = {0};
        enum lx_err err;

        (void)pthread_mutex_lock(&g->feed->node_lock);
        err = rpcclient_get_blob(g->feed->client, "manifest", root, 0, UINT64_MAX, &bytes, NULL);
        (void)pthread_mutex_unlock(&g->feed->node_lock);
        if (err != LX_OK || bytes.len == 0)
                err = guard_view_give_manifest(view, (struct lx_span){0}, why);
        else
                err = guard_view_give_manifest(view, lx_buf_span(&bytes), why);
        lx_buf_clear(&bytes);
        return err;
}

static enum lx_err
follow(struct lxguard *g, struct guard_view *view, const struct lx_hash *genesis, struct lx_why *why)
{
        struct lx_hash want;
        enum lx_err err = begin(g, view, genesis, why);

        while (err == LX_OK && guard_view_wants_tx(view, &want) && !atomic_load(&g->stopping))
                err = fetch_tx(g, view, &want, why);
        while (err == LX_OK && guard_view_wants_manifest(view, &want) && !atomic_load(&g->stopping))
                err = fetch_manifest(g, view, &want, why);
        if (err == LX_OK && !guard_view_commit(view))
                err = LX_ERR_STOPPED;
        if (err != LX_OK)
                guard_view_abort(view);
        return err;
}

/* ---- the thread -------------------------------------------------------------------------------- */

static void
note_running_revoked(struct lxguard *g)
{
        json_t *list = safe_start_check(g), *o;
        size_t i;

        json_array_foreach(list, i, o) {
                struct event e = {.kind = "alert", .rule = json_string_value(json_object_get(o, "rule")),
                    .path = json_string_value(json_object_get(o, "path")), .exe = "", .detail = "still running",
                    .pid = (pid_t)number(o, "pid")};

                if (strcmp(e.rule, "revoked") == 0 || strcmp(e.rule, "critical") == 0)
                        event_note(g, &e);
        }
        json_decref(list);
}

/* Ask for everybody; new rules when anything changed. */
static bool
step(struct lxguard *g, struct lx_why *why)
{
        struct rules *rules = rules_get(g);
        uint64_t sum;
        enum lx_err err = LX_OK;

        for (size_t i = 0; i < g->view_count && err == LX_OK; i++) {
                err = follow(g, g->views[i], &rules->policy->publisher[i].genesis, why);
                if (err == LX_ERR_ABSENT)
                        err = LX_OK; /* proven: nothing was published there yet */
        }
        rules_put(rules);
        sum = versions(g);
        if (sum != g->feed->versions) {
                g->feed->versions = sum;
                rules_swap(g, NULL);
                save_cache(g);
                log_notice(GUARD, "the lists changed", "height=%llu entries=%zu",
                    (unsigned long long)atomic_load(&g->height), guard_list_count(g->rules->list));
                note_running_revoked(g);
        } else {
                uint64_t height = UINT64_MAX, ms = UINT64_MAX;

                for (size_t i = 0; i < g->view_count; i++) {
                        uint64_t h = guard_view_height(g->views[i]), t = guard_view_time(g->views[i]);

                        height = h < height ? h : height;
                        ms = t < ms ? t : ms;
                }
                atomic_store(&g->height, g->view_count > 0 ? height : 0);
                atomic_store(&g->ledger_ms, g->view_count > 0 ? ms : 0);
                if (lx_clock_now_ms() - g->feed->saved_ms > SAVE_MS)
                        save_cache(g);
        }
        return err == LX_OK;
}

static bool
is_there_news(struct lxguard *g, struct lx_why *why)
{
        struct feed *feed = g->feed;
        json_t *o = NULL;
        enum lx_err err = call(feed, "chain.header", NULL, &o, why);
        uint64_t height = number(o, "height");
        bool news = err == LX_OK && (height != feed->head || feed->kicked);

        if (err == LX_OK)
                feed->head = height;
        feed->reachable = err == LX_OK;
        json_decref(o);
        return news;
}

/* For a person who looks at the node: its page, its metrics. Whether it is taken is the node's affair. */
static void
tell_node(struct lxguard *g)
{
        static const char *const COUNTERS[] = {"allowed", "denied", "would_deny", "overflows"};
        struct feed *feed = g->feed;
        json_t *status, *gate, *params, *ignored = NULL;
        uint64_t now = lx_clock_now_ms(), events;
        struct lx_why why = {{0}};

        (void)pthread_mutex_lock(&g->event_lock);
        events = g->event_count;
        (void)pthread_mutex_unlock(&g->event_lock);
        if (feed->told_ms != 0 && now - feed->told_ms < TELL_MS && events == feed->told_events)
                return;
        feed->told_ms = now;
        feed->told_events = events;
        status = guard_status(g);
        gate = json_object_get(status, "gate");
        params = json_pack("{s:O,s:O,s:O,s:O,s:O,s:I,s:o}", "mode", json_object_get(status, "mode"), "height",
            json_object_get(status, "height"), "age", json_object_get(status, "age"), "entries",
            json_object_get(status, "entries"), "events", json_object_get(status, "events"), "judged",
            (json_int_t)number(gate, "events"), "findings", events_json(g, TELL_EVENTS));
        for (size_t i = 0; i < sizeof(COUNTERS) / sizeof(COUNTERS[0]); i++)
                json_object_set_new(params, COUNTERS[i], json_integer((json_int_t)number(gate, COUNTERS[i])));
        (void)call(feed, "guard.report", params, &ignored, &why);
        json_decref(ignored);
        json_decref(status);
}

static void
rest(struct feed *feed, uint64_t ms)
{
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += (time_t)(ms / 1000);
        until.tv_nsec += (long)(ms % 1000) * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_mutex_lock(&feed->lock);
        if (!feed->kicked)
                (void)pthread_cond_timedwait(&feed->wake, &feed->lock, &until);
        (void)pthread_mutex_unlock(&feed->lock);
}

static bool
is_kicked(struct feed *feed)
{
        bool kicked;

        (void)pthread_mutex_lock(&feed->lock);
        kicked = feed->kicked;
        (void)pthread_mutex_unlock(&feed->lock);
        return kicked;
}

/* Wait for @ms, or for a kick; a node that answers (@good) hears meanwhile what happens at the gate. */
static void
rest_and_tell(struct lxguard *g, uint64_t ms, bool good)
{
        uint64_t end = lx_clock_now_ms() + ms, now;

        do {
                if (good)
                        tell_node(g);
                now = lx_clock_now_ms();
                if (now < end)
                        rest(g->feed, good && end - now > LOOK_MS ? LOOK_MS : end - now);
        } while (now < end && !is_kicked(g->feed) && !atomic_load(&g->stopping));
}

/* Who has heard of a block, or has lost the node, wakes the one who asks. */
static bool
listen_once(struct lxguard *g, bool *out_absent)
{
        struct feed *feed = g->feed;
        json_t *o = NULL;
        struct lx_why why = {{0}};
        /* The first question only asks whether there is somebody who tells. */
        enum lx_err err = rpcclient_call(feed->listening, "guard.subscribe", json_pack("{s:I,s:i}", "above",
            (json_int_t)atomic_load(&feed->heard), "seconds", atomic_load(&feed->subscribed) ? WAIT_S : 0), &o, &why);
        uint64_t height = number(o, "height");

        json_decref(o);
        *out_absent = err != LX_OK && rpcclient_was_refused(feed->listening);
        if (err == LX_OK && height != atomic_load(&feed->heard)) {
                atomic_store(&feed->heard, height);
                feed_kick(g);
        }
        return err == LX_OK;
}

static void *
listen_run(void *arg)
{
        struct lxguard *g = arg;
        struct feed *feed = g->feed;
        struct pollfd p = {.fd = feed->stop_fd, .events = POLLIN};
        bool told = false;

        while (!atomic_load(&g->stopping)) {
                bool absent, good = listen_once(g, &absent);

                if (atomic_exchange(&feed->subscribed, good) != good || (!good && !told)) {
                        if (good)
                                log_notice(GUARD, "the node tells of blocks", "height=%llu",
                                    (unsigned long long)atomic_load(&feed->heard));
                        else if (!atomic_load(&g->stopping))
                                log_warn(GUARD, "the node does not tell of blocks", "why=%s next=%s",
                                    absent ? "it knows no guard.subscribe" : "it cannot be reached",
                                    "it is asked every half second");
                        told = true;
                        feed_kick(g);
                }
                if (!good)
                        (void)poll(&p, 1, absent ? LISTEN_MS : RETRY_MS / 5);
        }
        return NULL;
}

static void *
run(void *arg)
{
        struct lxguard *g = arg;
        struct feed *feed = g->feed;
        bool was_good = true;

        feed->kicked = true;
        while (!atomic_load(&g->stopping)) {
                struct lx_why why = {{0}};
                bool good = true;

                if (is_there_news(g, &why)) {
                        feed->kicked = false;
                        (void)pthread_mutex_lock(&g->view_lock);
                        good = step(g, &why);
                        (void)pthread_mutex_unlock(&g->view_lock);
                        feed->head = good ? feed->head : 0;
                } else {
                        good = feed->reachable;
                }
                if (!good && was_good)
                        log_warn(GUARD, "the node does not help", "why=%s next=%s", why.text,
                            "deciding by what is known, asking again");
                (void)pthread_mutex_lock(&feed->lock);
                feed->why = why;
                (void)pthread_mutex_unlock(&feed->lock);
                was_good = good;
                rest_and_tell(g, !good ? RETRY_MS : atomic_load(&feed->subscribed) ? LISTEN_MS : ASK_MS, good);
        }
        return NULL;
}

void
feed_start(struct lxguard *g)
{
        struct feed *feed = lx_alloc(sizeof(*feed));

        (void)pthread_mutex_init(&feed->lock, NULL);
        (void)pthread_mutex_init(&feed->node_lock, NULL);
        (void)pthread_cond_init(&feed->wake, NULL);
        feed->client = rpcclient_new(g->rules->policy->node, g->rules->policy->state_dir);
        feed->listening = rpcclient_new(g->rules->policy->node, g->rules->policy->state_dir);
        feed->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        rpcclient_set_stop(feed->client, feed->stop_fd, CALL_S);
        rpcclient_set_stop(feed->listening, feed->stop_fd, CALL_S);
        feed->versions = versions(g);
        g->feed = feed;
        (void)pthread_create(&feed->thread, NULL, run, g);
        (void)pthread_create(&feed->listener, NULL, listen_run, g);
}

void
feed_kick(struct lxguard *g)
{
        struct feed *feed = g->feed;

        if (feed == NULL)
                return;
        (void)pthread_mutex_lock(&feed->lock);
        feed->kicked = true;
        (void)pthread_cond_signal(&feed->wake);
        (void)pthread_mutex_unlock(&feed->lock);
}

void
feed_end_calls(struct lxguard *g)
{
        uint64_t one = 1;

        if (g->feed != NULL)
                (void)!write(g->feed->stop_fd, &one, sizeof(one));
}

void
feed_stop(struct lxguard *g)
{
        struct feed *feed = g->feed;

        if (feed == NULL)
                return;
        feed_end_calls(g);
        feed_kick(g);
        (void)pthread_join(feed->listener, NULL);
        (void)pthread_join(feed->thread, NULL);
        g->feed = NULL;
        rpcclient_free(feed->client);
        rpcclient_free(feed->listening);
        (void)close(feed->stop_fd);
        lx_free(feed);
}

json_t *
feed_json(struct lxguard *g)
{
        struct feed *feed = g->feed;
        json_t *o;

        if (feed == NULL)
                return json_null();
        (void)pthread_mutex_lock(&feed->lock);
        o = json_pack("{s:b,s:b,s:I,s:s}", "reachable", (int)feed->reachable, "subscribed",
            (int)atomic_load(&feed->subscribed), "head", (json_int_t)feed->head, "why",
            feed->why.text);
        (void)pthread_mutex_unlock(&feed->lock);
        return o;
}

/* ---- blobs -------------------------------------------------------------------------------------- */

enum lx_err
feed_blob(struct lxguard *g, const char *kind, const struct lx_hash *root, struct lx_buf *out, struct lx_why *why)
{
        enum lx_err err;

        if (g->feed == NULL)
                return LX_ERR_UNREACHABLE;
        (void)pthread_mutex_lock(&g->feed->node_lock);
        err = rpcclient_get_blob(g->feed->client, kind, root, 0, UINT64_MAX, out, why);
        (void)pthread_mutex_unlock(&g->feed->node_lock);
        return err;
}

/* ---- leaf hashes ------------------------------------------------------------------------------- */

enum lx_err
feed_leaves(struct lxguard *g, const struct guard_release *release, const struct guard_entry *entry,
    struct lx_buf *out)
{
        uint64_t len = merkle_file_pages(entry->size) * LX_HASH_LEN;
        size_t start = out->len;
        struct lx_hash root;
        enum lx_err err = LX_ERR_ABSENT;

        if (g->feed == NULL || lx_hash_is_zero(&release->leaves))
                return LX_ERR_ABSENT;
        (void)pthread_mutex_lock(&g->feed->node_lock);
        err = rpcclient_get_blob(g->feed->client, "leaves", &release->leaves,
            (uint64_t)entry->leaves_at * LX_HASH_LEN, len, out, NULL);
        (void)pthread_mutex_unlock(&g->feed->node_lock);
        if (err == LX_OK && out->len - start != len)
                err = LX_ERR_TRUNCATED;
        if (err == LX_OK) {
                merkle_log_root(&lx_crypto_ops()->hash, (const struct lx_hash *)(const void *)(out->p + start),
                    merkle_file_pages(entry->size), &root);
                if (!lx_hash_eq(&root, &entry->root))
                        err = LX_ERR_PROOF;
        }
        if (err != LX_OK)
                out->len = start;
        return err;
}
