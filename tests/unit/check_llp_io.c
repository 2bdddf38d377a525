/*
 * The swarm on real sockets, all on one loop: IPv4 and IPv6, names, a port that is taken, the book on disk;
 * and a slow link, over which a vote overtakes all bulk that waits in its sender.
 */
#include "config.h"
#include "base/file.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "io/resolve.h"
#include "io/stream.h"
#include "llp/frame.h"
#include "llp/swarm_io.h"

#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

#define BULK 60000u /* bytes of one bulk message */

struct end {
        struct io_loop *loop;
        struct llp_swarm_io *io;
        uint8_t secret[32];
        uint32_t peer;
        unsigned ups, bulk, votes, rooms;
        unsigned bulk_at_vote; /* that had come before the vote */
        void (*on_change)(struct end *end);
        void *arg;
};

struct stage {
        struct io_loop *loop;
        struct lx_pool *pool;
        struct io_timer *timeout;
        struct end a, b;
        char dir[64];
};

/* ---- ends ------------------------------------------------------------------------------------------ */

static void
tip(void *arg, uint64_t *out_height, struct lx_hash *out_tip)
{
        (void)arg;
        *out_height = 3;
        *out_tip = unit_hash(3);
}

static void
changed(struct end *end)
{
        if (end->on_change != NULL)
                end->on_change(end);
}

static void
on_up(void *arg, uint32_t peer, const struct llp_hello *hello, uint64_t now_ms)
{
        struct end *end = arg;

        (void)now_ms;
        ck_assert_uint_eq(hello->height, 3);
        end->peer = peer;
        end->ups++;
        changed(end);
}

static void
on_down(void *arg, uint32_t peer, uint64_t now_ms)
{
        struct end *end = arg;

        (void)now_ms;
        if (end->peer == peer)
                end->peer = 0;
        changed(end);
}

static enum lx_err
on_message(
    void *arg, uint32_t peer, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct end *end = arg;

        (void)peer, (void)bytes, (void)len, (void)now_ms;
        end->bulk += type == LLP_BLOCK;
        if (type == LLP_VOTE && end->votes++ == 0)
                end->bulk_at_vote = end->bulk;
        changed(end);
        return LX_OK;
}

static void
on_room(void *arg, uint32_t peer, uint64_t now_ms)
{
        (void)peer, (void)now_ms;
        ((struct end *)arg)->rooms++;
}

static enum lx_err
open_end(struct stage *stage, struct end *end, uint8_t key, const char *listen, const char *book,
    struct lx_why *why)
{
        struct llp_swarm_io_options options = {.loop = stage->loop,
            .pool = stage->pool,
            .listen = listen,
            .book_path = book,
            .swarm = {.secret = end->secret,
                .agent = "test",
                .upper = {.tip = tip,
                    .on_up = on_up,
                    .on_down = on_down,
                    .on_message = on_message,
                    .on_room = on_room,
                    .arg = end}}};

        end->loop = stage->loop;
        memset(end->secret, key, sizeof(end->secret));
        return llp_swarm_io_new(&options, &end->io, why);
}

static void
too_late(void *arg)
{
        (void)arg;
        ck_abort_msg("nothing happened in time");
}

static void
woken(void *arg)
{
        (void)lx_pool_reap(((struct stage *)arg)->pool);
}

static struct stage *
stage_new(void)
{
        struct stage *stage = lx_alloc(sizeof(*stage));

        stage->loop = io_loop_new();
        stage->pool = lx_pool_new(1, io_loop_wake, stage->loop);
        io_loop_on_wake(stage->loop, woken, stage);
        stage->timeout = io_timer_new(stage->loop, too_late, stage);
        io_timer_set(stage->timeout, 40000);
        (void)snprintf(stage->dir, sizeof(stage->dir), "/tmp/check_llp_io.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(stage->dir));
        return stage;
}

static void
stage_free(struct stage *stage)
{
        llp_swarm_io_free(stage->a.io);
        llp_swarm_io_free(stage->b.io);
        lx_pool_free(stage->pool);
        io_timer_free(stage->timeout);
        io_loop_free(stage->loop);
        (void)rmdir(stage->dir);
        lx_free(stage);
}

static void
stop_when_up(struct end *end)
{
        if (end->peer != 0)
                io_loop_stop(end->loop);
}

static void
stop_when_down(struct end *end)
{
        if (end->peer == 0)
                io_loop_stop(end->loop);
}

/* a stays connected to b at @host:@port. */
static void
give(struct stage *stage, const char *host, unsigned port)
{
        struct llp_place place = {.has_id = true, .port = (uint16_t)port};
        struct lx_pubkey id = llp_swarm_id(llp_swarm_io_swarm(stage->b.io));

        (void)snprintf(place.host, sizeof(place.host), "%s", host);
        memcpy(place.id, id.b, sizeof(place.id));
        ck_assert_int_eq(llp_swarm_add(llp_swarm_io_swarm(stage->a.io), &place, 0, NULL), LX_OK);
        llp_swarm_io_look(stage->a.io);
}

/* ---- meeting ----------------------------------------------------------------------------------------- */

static void
meet(const char *listen, const char *host)
{
        struct stage *stage = stage_new();
        struct lx_why why = {{0}};

        if (open_end(stage, &stage->b, 2, listen, NULL, &why) != LX_OK) {
                stage_free(stage); /* no IPv6 here */
                return;
        }
        ck_assert_int_eq(open_end(stage, &stage->a, 1, NULL, NULL, NULL), LX_OK);
        give(stage, host, llp_swarm_io_port(stage->b.io));
        stage->a.on_change = stop_when_up;
        io_loop_run(stage->loop);
        ck_assert_uint_eq(stage->a.ups, 1);
        stage->a.on_change = stop_when_down;
        llp_swarm_io_stop(stage->b.io);
        io_loop_run(stage->loop);
        stage_free(stage);
}

START_TEST(over_both_families_and_by_name)
{
        meet("127.0.0.1:0", "127.0.0.1");
        meet("[::1]:0", "::1");
        meet("[::]:0", "127.0.0.1");
        meet("127.0.0.1:0", "localhost");
}
END_TEST

START_TEST(listening_says_what_is_wrong)
{
        static const char *const BAD[] = {"", "nowhere", "127.0.0.1", "127.0.0.1:x",
            "127.0.0.1:65536", "::1:1", "[::1:1", "localhost:1"};
        struct stage *stage = stage_new();
        struct lx_why why = {{0}};
        char where[64];

        for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
                ck_assert_int_eq(open_end(stage, &stage->a, 1, BAD[i], NULL, NULL), LX_ERR_USAGE);
        ck_assert_int_eq(open_end(stage, &stage->a, 1, "127.0.0.1:0", NULL, NULL), LX_OK);
        (void)snprintf(where, sizeof(where), "127.0.0.1:%u", llp_swarm_io_port(stage->a.io));
        ck_assert_int_eq(open_end(stage, &stage->b, 2, where, NULL, &why), LX_ERR_BUSY);
        ck_assert(strstr(why.text, "--listen") != NULL);
        stage_free(stage);
}
END_TEST

static void
resolved(void *arg, const struct io_addr *addrs, size_t count)
{
        struct stage *stage = arg;

        (void)addrs;
        ck_assert_uint_eq(count, 0);
        io_loop_stop(stage->loop);
}

START_TEST(names_that_do_not_exist)
{
        struct stage *stage = stage_new();

        ck_assert_ptr_nonnull(
            io_resolve_start(stage->loop, "no such name.invalid", resolved, stage));
        io_loop_run(stage->loop);
        io_resolve_cancel(io_resolve_start(stage->loop, "localhost", resolved, stage));
        stage_free(stage);
}
END_TEST

/* The book finds the way back; a damaged one is forgotten, not fatal. */
START_TEST(book_on_disk)
{
        struct stage *stage = stage_new();
        char path[128];
        struct stat st;
        struct lx_buf bytes = {0};

        (void)snprintf(path, sizeof(path), "%s/peers.dat", stage->dir);
        ck_assert_int_eq(open_end(stage, &stage->b, 2, "127.0.0.1:0", NULL, NULL), LX_OK);
        ck_assert_int_eq(open_end(stage, &stage->a, 1, NULL, path, NULL), LX_OK);
        give(stage, "127.0.0.1", llp_swarm_io_port(stage->b.io));
        stage->a.on_change = stop_when_up;
        io_loop_run(stage->loop);
        llp_swarm_io_free(stage->a.io);
        stage->a.io = NULL;
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
        ck_assert_int_eq(open_end(stage, &stage->a, 1, NULL, path, NULL), LX_OK);
        stage->a.peer = 0;
        io_loop_run(stage->loop); /* by the book */
        ck_assert_uint_eq(stage->a.ups, 2);
        llp_swarm_io_free(stage->a.io);
        stage->a.io = NULL;
        ck_assert_int_eq(lx_file_read(path, 10000, &bytes, NULL), LX_OK);
        bytes.p[20] ^= 1;
        ck_assert_int_eq(lx_file_write(path, bytes.p, bytes.len, 0600, NULL), LX_OK);
        ck_assert_int_eq(open_end(stage, &stage->a, 1, NULL, path, NULL), LX_OK);
        lx_buf_clear(&bytes);
        llp_swarm_io_free(stage->a.io);
        stage->a.io = NULL;
        (void)unlink(path);
        stage_free(stage);
}
END_TEST

/* ---- a slow link ----------------------------------------------------------------------------------------- */

/* Carries one connection at RATE bytes a second towards its second end; the other way at once. */
#define RATE 4000u /* bytes a ms */

struct slow {
        struct stage *stage;
        struct io_listener *listener;
        struct io_stream *in, *out;
        struct io_timer *timer;
        struct lx_buf waiting;
        unsigned port_behind;
};

static void
nothing(void *arg)
{
        (void)arg;
}

static void
from_b(void *arg, const uint8_t *bytes, size_t len)
{
        struct slow *slow = arg;

        if (slow->in != NULL)
                ck_assert_uint_eq(io_stream_write(slow->in, bytes, len), len); /* pings only */
}

static void
from_a(void *arg, const uint8_t *bytes, size_t len)
{
        struct slow *slow = arg;

        lx_buf_append(&slow->waiting, bytes, len);
        io_stream_set_reading(slow->in, false);
        io_timer_set(slow->timer, len / RATE + 1);
}

static void
go_on(void *arg)
{
        struct slow *slow = arg;
        size_t put = io_stream_write(slow->out, slow->waiting.p, slow->waiting.len);

        memmove(slow->waiting.p, slow->waiting.p + put, slow->waiting.len - put);
        slow->waiting.len -= put;
        if (slow->waiting.len > 0)
                io_timer_set(slow->timer, 1);
        else
                io_stream_set_reading(slow->in, true);
}

static void
ended(void *arg, const char *text)
{
        (void)arg, (void)text;
}

static void
accepted(void *arg, struct io_stream *stream, const struct io_addr *addr)
{
        struct slow *slow = arg;
        struct io_stream_calls to_a = {nothing, from_a, nothing, ended, slow},
                               to_b = {nothing, from_b, nothing, ended, slow};
        struct io_addr behind = *addr;

        behind.port = (uint16_t)slow->port_behind;
        slow->in = stream;
        slow->out = io_stream_connect(slow->stage->loop, &behind, &to_b, NULL);
        ck_assert_ptr_nonnull(slow->out);
        io_stream_start(stream, &to_a);
}

/* a keeps its bulk queue full. */
static unsigned
fill_bulk(struct end *a)
{
        static uint8_t bulk[BULK];
        const struct llp_net *net = llp_swarm_net(llp_swarm_io_swarm(a->io));
        unsigned sent = 0;

        while (net->has_room(net->arg, a->peer, LLP_BLOCK) &&
               net->send(net->arg, a->peer, LLP_BLOCK, bulk, sizeof(bulk)))
                sent++;
        return sent;
}

struct flow {
        struct stage *stage;
        unsigned sent, sent_at_vote;
};

/* b got something: a sends more; after 40 bulk messages, with its queue full, a vote. */
static void
flowing(struct end *b)
{
        struct flow *flow = b->arg;
        struct end *a = &flow->stage->a;
        const struct llp_net *net = llp_swarm_net(llp_swarm_io_swarm(a->io));
        uint8_t vote[200] = {0};

        flow->sent += fill_bulk(a);
        if (b->bulk >= 40 && flow->sent_at_vote == 0) {
                ck_assert(net->send(net->arg, a->peer, LLP_VOTE, vote, sizeof(vote)));
                flow->sent_at_vote = flow->sent;
        }
        if (b->votes > 0)
                io_loop_stop(b->loop);
}

static void
both_up(struct end *end)
{
        struct flow *flow = end->arg;

        if (flow->stage->a.peer != 0 && flow->stage->b.peer != 0)
                io_loop_stop(end->loop);
}

START_TEST(votes_overtake_bulk)
{
        struct stage *stage = stage_new();
        struct slow slow = {.stage = stage};
        struct flow flow = {.stage = stage};
        unsigned port;

        stage->a.arg = stage->b.arg = &flow;
        stage->a.on_change = stage->b.on_change = both_up;
        slow.timer = io_timer_new(stage->loop, go_on, &slow);
        ck_assert_int_eq(open_end(stage, &stage->b, 2, "127.0.0.1:0", NULL, NULL), LX_OK);
        ck_assert_int_eq(open_end(stage, &stage->a, 1, NULL, NULL, NULL), LX_OK);
        slow.port_behind = llp_swarm_io_port(stage->b.io);
        ck_assert_int_eq(
            io_listen(stage->loop, "127.0.0.1:0", accepted, &slow, &slow.listener, &port, NULL),
            LX_OK);
        give(stage, "127.0.0.1", port);
        io_loop_run(stage->loop);
        stage->a.on_change = NULL;
        stage->b.on_change = flowing;
        flow.sent = fill_bulk(&stage->a);
        io_loop_run(stage->loop);
        ck_assert_uint_eq(stage->b.votes, 1);
        ck_assert_uint_ge(stage->a.rooms, 10); /* told each time that there was place again */
        ck_assert_uint_eq(stage->b.rooms, 0);
        /* The queue holds 8 of them; the vote came before most of those that were queued before it. */
        ck_assert_uint_le(stage->b.bulk_at_vote + 6, flow.sent_at_vote);
        io_stream_close(slow.in);
        io_stream_close(slow.out);
        io_listener_close(slow.listener);
        io_timer_free(slow.timer);
        lx_buf_clear(&slow.waiting);
        stage_free(stage);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {over_both_families_and_by_name, listening_says_what_is_wrong,
            names_that_do_not_exist, book_on_disk, votes_overtake_bulk, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("llp_io", cases, 60);
}
