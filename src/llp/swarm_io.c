/* llp/swarm_io.c - see llp/swarm_io.h. */
#include "config.h"
#include "llp/swarm_io.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "io/resolve.h"
#include "io/stream.h"
#include "llp/frame.h"

#include <string.h>

#define SAVE_MS 60000 /* between looks whether the book changed */
#define TURNS_MAX 4   /* outputs of one connection in one turn of the loop */
#define OUT_MAX (LLP_PEER_TURN + LLP_FRAME_WIRE_MAX)
#define NAMES_MAX (LLP_SWARM_FIXED_MAX + LLP_SWARM_SEEDS_MAX)

/* One socket. */
struct conn {
        struct llp_swarm_io *io;
        uint32_t peer;
        struct io_stream *stream;
        struct lx_buf left; /* sealed bytes that the kernel did not take */
};

/* A look-up under way. */
struct name {
        struct llp_swarm_io *io;
        uint32_t number;
        struct io_resolve *resolve;
};

struct llp_swarm_io {
        struct io_loop *loop;
        struct lx_pool *pool;
        struct llp_swarm *swarm;
        struct io_listener *listener;
        unsigned port;
        struct io_timer *timer, *save_timer;
        uint64_t timer_ms;    /* when it goes off */
        struct lx_map *conns; /* by handle */
        struct name names[NAMES_MAX];
        bool inside; /* wishes are looked at before the call returns */
        char *book_path;
        struct lx_log_limit log_limit;
        uint8_t out[OUT_MAX];
};

static void after(struct llp_swarm_io *io);

/* ---- what the swarm asks of us ------------------------------------------------------------------ */

static uint64_t
wall_ms(void *arg)
{
        (void)arg;
        return lx_clock_walltime().ms;
}

static void
fill_random(void *arg, void *out, size_t len)
{
        (void)arg;
        lx_random(out, len);
}

static void
set_timer(struct llp_swarm_io *io, uint64_t at_ms, uint64_t now_ms)
{
        if (at_ms == io->timer_ms)
                return;
        io->timer_ms = at_ms;
        io_timer_set(io->timer, at_ms > now_ms ? at_ms - now_ms : 0);
}

/* From outside of our own calls (an answer, a job's end): soon. */
static void
on_wish(void *arg)
{
        struct llp_swarm_io *io = arg;

        if (!io->inside)
                set_timer(io, 0, 0);
}

static void
describe(const struct llp_swarm_io *io, uint32_t peer, char id[17], char addr[LLP_ADDR_TEXT_MAX])
{
        struct llp_peer_info info;

        memcpy(id, "unknown", 8);
        memcpy(addr, "unknown", 8);
        for (size_t i = 0; llp_swarm_peer_at(io->swarm, i, lx_clock_now_ms(), &info); i++) {
                if (info.peer != peer || peer == 0)
                        continue;
                if (info.has_id)
                        lx_hex(info.id.b, 8, id);
                llp_addr_format(&info.addr, addr);
        }
}

static void
on_event(void *arg, uint32_t peer, const char *what, const char *text)
{
        struct llp_swarm_io *io = arg;
        bool notable = strncmp(what, "peer ", 5) == 0 || strncmp(what, "address ", 8) == 0;
        char id[17], addr[LLP_ADDR_TEXT_MAX];

        if (!notable && !lx_log_is_on(LX_LOG_LLP, LX_LOG_DEBUG))
                return;
        if (!lx_log_limit_allows(&io->log_limit, lx_clock_now_ms()))
                return;
        describe(io, peer, id, addr);
        if (notable)
                log_info(LLP, what, "peer=%u id=%s address=%s why=\"%s\"", peer, id, addr, text);
        else
                log_debug(LLP, what, "peer=%u id=%s address=%s why=\"%s\"", peer, id, addr, text);
}

/* ---- sockets ------------------------------------------------------------------------------------ */

static struct conn *
find_conn(const struct llp_swarm_io *io, uint32_t peer)
{
        return lx_map_get(io->conns, &peer, sizeof(peer));
}

static void
close_conn(struct conn *conn)
{
        (void)lx_map_remove(conn->io->conns, &conn->peer, sizeof(conn->peer));
        io_stream_close(conn->stream);
        lx_buf_clear(&conn->left);
        lx_free(conn);
}

/* Whether everything that was left is in the kernel now. */
static bool
write_left(struct conn *conn)
{
        size_t put;

        if (conn->left.len == 0)
                return true;
        put = io_stream_write(conn->stream, conn->left.p, conn->left.len);
        memmove(conn->left.p, conn->left.p + put, conn->left.len - put);
        conn->left.len -= put;
        if (conn->left.len > 0)
                return false;
        lx_buf_clear(&conn->left);
        return true;
}

/* Write until the kernel takes no more, or others want their turn. */
static void
flush(struct conn *conn, uint64_t now_ms)
{
        struct llp_swarm_io *io = conn->io;

        for (int turn = 0; turn < TURNS_MAX; turn++) {
                size_t len, put;

                if (!write_left(conn))
                        return;
                len = llp_swarm_output(io->swarm, conn->peer, io->out, sizeof(io->out), now_ms);
                if (len == 0)
                        return;
                put = io_stream_write(conn->stream, io->out, len);
                if (put < len)
                        lx_buf_append(&conn->left, io->out + put, len - put);
        }
        io_stream_want_writable(conn->stream);
}

static void
on_connected(void *arg)
{
        struct conn *conn = arg;

        llp_swarm_connected(conn->io->swarm, conn->peer, lx_clock_now_ms());
        after(conn->io);
}

static void
on_bytes(void *arg, const uint8_t *bytes, size_t len)
{
        struct conn *conn = arg;
        struct llp_swarm_io *io = conn->io;

        io->inside = true;
        llp_swarm_input(io->swarm, conn->peer, bytes, len, lx_clock_now_ms());
        if (!llp_swarm_wants_input(io->swarm, conn->peer))
                io_stream_set_reading(conn->stream, false);
        after(io);
}

static void
on_writable(void *arg)
{
        struct conn *conn = arg;
        struct llp_swarm_io *io = conn->io;

        io->inside = true;
        flush(conn, lx_clock_now_ms());
        after(io);
}

static void
on_end(void *arg, const char *text)
{
        struct conn *conn = arg;
        struct llp_swarm_io *io = conn->io;
        uint32_t peer = conn->peer;

        io->inside = true;
        close_conn(conn);
        llp_swarm_failed(io->swarm, peer, text, lx_clock_now_ms());
        after(io);
}

static struct conn *
new_conn(struct llp_swarm_io *io, uint32_t peer)
{
        struct conn *conn = lx_alloc(sizeof(*conn));

        conn->io = io;
        conn->peer = peer;
        (void)lx_map_put(io->conns, &peer, sizeof(peer), conn);
        return conn;
}

static struct io_stream_calls
calls_of(struct conn *conn)
{
        return (struct io_stream_calls){on_connected, on_bytes, on_writable, on_end, conn};
}

static void
on_accept(void *arg, struct io_stream *stream, const struct io_addr *from)
{
        struct llp_swarm_io *io = arg;
        struct llp_addr addr = {.port = from->port};
        uint32_t peer;

        memcpy(addr.ip, from->ip, sizeof(addr.ip));
        io->inside = true;
        peer = llp_swarm_accepted(io->swarm, &addr, lx_clock_now_ms());
        if (peer == 0) {
                io_stream_close(stream);
        } else {
                struct conn *conn = new_conn(io, peer);
                struct io_stream_calls calls = calls_of(conn);

                conn->stream = stream;
                io_stream_start(stream, &calls);
        }
        after(io);
}

/* ---- wishes ------------------------------------------------------------------------------------- */

static void
dial(struct llp_swarm_io *io, const struct llp_wish *wish)
{
        struct conn *conn = new_conn(io, wish->peer);
        struct io_stream_calls calls = calls_of(conn);
        struct io_addr to = {.port = wish->addr.port};
        struct lx_why why = {{0}};

        memcpy(to.ip, wish->addr.ip, sizeof(to.ip));
        conn->stream = io_stream_connect(io->loop, &to, &calls, &why);
        if (conn->stream != NULL)
                return;
        close_conn(conn);
        llp_swarm_failed(io->swarm, wish->peer, why.text, lx_clock_now_ms());
}

static void
resolved(void *arg, const struct io_addr *found, size_t count)
{
        struct name *name = arg;
        struct llp_swarm_io *io = name->io;
        struct llp_addr addrs[IO_RESOLVE_ADDRS];

        name->resolve = NULL;
        for (size_t i = 0; i < count; i++) {
                addrs[i].port = 0;
                memcpy(addrs[i].ip, found[i].ip, sizeof(addrs[i].ip));
        }
        io->inside = true;
        llp_swarm_resolved(io->swarm, name->number, addrs, count, lx_clock_now_ms());
        after(io);
}

static void
look_up(struct llp_swarm_io *io, const struct llp_wish *wish)
{
        struct name *name = &io->names[wish->name % NAMES_MAX];

        if (name->resolve != NULL)
                return;
        *name = (struct name){.io = io, .number = wish->name};
        name->resolve = io_resolve_start(io->loop, wish->host, resolved, name);
        if (name->resolve == NULL)
                llp_swarm_resolved(io->swarm, wish->name, NULL, 0, lx_clock_now_ms());
}

static void
carry_out(struct llp_swarm_io *io, const struct llp_wish *wish)
{
        struct conn *conn = find_conn(io, wish->peer);

        switch (wish->kind) {
        case LLP_WISH_DIAL:
                dial(io, wish);
                return;
        case LLP_WISH_RESOLVE:
                look_up(io, wish);
                return;
        case LLP_WISH_OUTPUT:
                if (conn != NULL)
                        flush(conn, lx_clock_now_ms());
                return;
        case LLP_WISH_CLOSE:
                if (conn != NULL)
                        close_conn(conn);
                return;
        }
}

/* Go on reading where that is welcome again. */
static void
resume_reading(struct llp_swarm_io *io)
{
        const void *key;
        size_t pos = 0, key_len;
        void *value;

        while (lx_map_next(io->conns, &pos, &key, &key_len, &value)) {
                struct conn *conn = value;

                if (conn->stream != NULL && llp_swarm_wants_input(io->swarm, conn->peer))
                        io_stream_set_reading(conn->stream, true);
        }
}

/* At the end of each callback: wishes, and the time of the next tick. */
static void
after(struct llp_swarm_io *io)
{
        struct llp_wish wish;

        io->inside = true;
        while (llp_swarm_next_wish(io->swarm, &wish))
                carry_out(io, &wish);
        io->inside = false;
        set_timer(io, llp_swarm_deadline_ms(io->swarm), lx_clock_now_ms());
}

static void
tick(void *arg)
{
        struct llp_swarm_io *io = arg;

        io->inside = true;
        io->timer_ms = UINT64_MAX;
        llp_swarm_tick(io->swarm, lx_clock_now_ms());
        resume_reading(io);
        after(io);
}

/* ---- the book ----------------------------------------------------------------------------------- */

struct save {
        struct lx_job job; /* first */
        struct lx_buf bytes;
        char *path;
        struct lx_why why;
        enum lx_err err;
};

static void
run_save(struct lx_job *job)
{
        struct save *save = (struct save *)job;

        save->err = lx_file_write(save->path, save->bytes.p, save->bytes.len, 0600, &save->why);
}

static void
end_save(struct lx_job *job)
{
        struct save *save = (struct save *)job;

        if (save->err != LX_OK)
                log_warn(LLP, "the address book cannot be written, trying again later",
                    "file=%s why=\"%s\"", save->path, save->why.text);
        lx_buf_clear(&save->bytes);
        lx_free(save->path);
        lx_free(save);
}

static struct save *
new_save(struct llp_swarm_io *io)
{
        struct save *save = lx_alloc(sizeof(*save));

        save->job = (struct lx_job){.run = run_save, .done = end_save};
        save->path = lx_strdup(io->book_path);
        llp_swarm_save(io->swarm, &save->bytes);
        return save;
}

static void
save_book(void *arg)
{
        struct llp_swarm_io *io = arg;

        if (io->book_path != NULL && llp_swarm_is_dirty(io->swarm))
                lx_pool_submit(io->pool, &new_save(io)->job);
        io_timer_set(io->save_timer, SAVE_MS);
}

/* A damaged book is set aside: it can be learnt again. */
static void
load_book(struct llp_swarm_io *io)
{
        struct lx_buf bytes = {0};
        struct lx_why why = {{0}};
        enum lx_err err;

        if (io->book_path == NULL)
                return;
        err = lx_file_read(io->book_path, LLP_BOOK_FILE_MAX, &bytes, &why);
        if (err == LX_OK)
                err = llp_swarm_load(io->swarm, bytes.p, bytes.len);
        if (err != LX_OK && err != LX_ERR_ABSENT)
                log_warn(LLP, "the address book cannot be read; going on with an empty one",
                    "file=%s error=%s why=\"%s\"", io->book_path, lx_err_name(err), why.text);
        lx_buf_clear(&bytes);
}

/* ---- life --------------------------------------------------------------------------------------- */

static enum lx_err
make_swarm(struct llp_swarm_io *io, struct llp_swarm_options options)
{
        options.wall_ms = wall_ms;
        options.random = fill_random;
        options.on_wish = on_wish;
        options.on_event = on_event;
        options.listen_port = (uint16_t)io->port;
        options.arg = io;
        return llp_swarm_new(&options, lx_clock_now_ms(), &io->swarm);
}

enum lx_err
llp_swarm_io_new(
    const struct llp_swarm_io_options *options, struct llp_swarm_io **out_io, struct lx_why *why)
{
        struct llp_swarm_io *io = lx_alloc(sizeof(*io));
        uint64_t seed;
        enum lx_err err = LX_OK;

        lx_random(&seed, sizeof(seed));
        io->loop = options->loop;
        io->pool = options->pool;
        io->conns = lx_map_new(seed);
        io->timer = io_timer_new(io->loop, tick, io);
        io->save_timer = io_timer_new(io->loop, save_book, io);
        if (options->book_path != NULL)
                io->book_path = lx_strdup(options->book_path);
        if (options->listen != NULL)
                err = io_listen(
                    io->loop, options->listen, on_accept, io, &io->listener, &io->port, why);
        if (err == LX_OK) {
                err = make_swarm(io, options->swarm);
                if (err != LX_OK)
                        lx_why_set(why, "the node key is no key: %s", lx_err_text(err));
        }
        if (err != LX_OK) {
                llp_swarm_io_free(io);
                return err;
        }
        load_book(io);
        io->timer_ms = UINT64_MAX;
        set_timer(io, 0, 0);
        io_timer_set(io->save_timer, SAVE_MS);
        *out_io = io;
        return LX_OK;
}

void
llp_swarm_io_stop(struct llp_swarm_io *io)
{
        io_listener_close(io->listener);
        io->listener = NULL;
        llp_swarm_stop(io->swarm, lx_clock_now_ms());
        after(io);
}

static void
close_all(struct llp_swarm_io *io)
{
        const void *key;
        size_t key_len;
        void *value;

        for (size_t pos = 0; lx_map_next(io->conns, &pos, &key, &key_len, &value); pos = 0)
                close_conn(value);
        for (size_t i = 0; i < NAMES_MAX; i++)
                io_resolve_cancel(io->names[i].resolve);
}

void
llp_swarm_io_free(struct llp_swarm_io *io)
{
        if (io == NULL)
                return;
        if (io->swarm != NULL && io->book_path != NULL) {
                struct save *save = new_save(io);

                run_save(&save->job);
                end_save(&save->job);
        }
        io_listener_close(io->listener);
        close_all(io);
        llp_swarm_free(io->swarm);
        io_timer_free(io->timer);
        io_timer_free(io->save_timer);
        lx_map_free(io->conns);
        lx_free(io->book_path);
        lx_free(io);
}

struct llp_swarm *
llp_swarm_io_swarm(struct llp_swarm_io *io)
{
        return io->swarm;
}

void
llp_swarm_io_look(struct llp_swarm_io *io)
{
        if (!io->inside)
                set_timer(io, 0, 0);
}

unsigned
llp_swarm_io_port(const struct llp_swarm_io *io)
{
        return io->port;
}
