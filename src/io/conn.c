/* io/conn.c - see io/conn_int.h. */
#include "config.h"
#include "io/conn_int.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/socket.h>

#define SWEEP_MS 500

struct conn {
        struct bufferevent *bev; /* a reference of our own */
        struct evbuffer_cb_entry *watch;
        uint64_t since_ms; /* came, or had its last answer */
        uint64_t begun_ms; /* the first byte of a request that is not complete; 0: none */
        bool busy;
        bool doomed;
};

struct io_conns {
        struct conn **conn; /* grows by max */
        size_t count, max;
        struct io_timer *sweep;
};

/* evhttp takes its callbacks away when it is through with a connection. */
static bool
is_gone(const struct conn *c)
{
        bufferevent_event_cb on_event = NULL;

        bufferevent_getcb(c->bev, NULL, NULL, &on_event, NULL);
        return on_event == NULL;
}

static void
forget(struct io_conns *conns, size_t i)
{
        struct conn *c = conns->conn[i];

        (void)evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->watch);
        (void)bufferevent_decref(c->bev);
        lx_free(c);
        conns->conn[i] = conns->conn[--conns->count];
}

static void
hang_up(struct conn *c)
{
        int fd = bufferevent_getfd(c->bev);

        c->doomed = true;
        if (fd >= 0)
                (void)shutdown(fd, SHUT_RDWR);
}

static void
reap(struct io_conns *conns)
{
        for (size_t i = conns->count; i-- > 0;)
                if (is_gone(conns->conn[i]))
                        forget(conns, i);
}

static void
sweep(void *arg)
{
        struct io_conns *conns = arg;
        uint64_t now = lx_clock_now_ms();

        reap(conns);
        for (size_t i = 0; i < conns->count; i++) {
                struct conn *c = conns->conn[i];

                if (c->doomed || (!c->busy && c->begun_ms != 0 && now - c->begun_ms > CONN_REQUEST_MS))
                        hang_up(c);
        }
        if (conns->count > 0)
                io_timer_set(conns->sweep, SWEEP_MS);
}

/* The one that has waited longest goes; those in work stay, whatever their age. */
static void
make_room(struct io_conns *conns)
{
        struct conn *oldest = NULL;

        for (size_t i = 0; i < conns->count; i++) {
                struct conn *c = conns->conn[i];

                if (!c->busy && !c->doomed && (oldest == NULL || c->since_ms < oldest->since_ms))
                        oldest = c;
        }
        if (oldest != NULL)
                hang_up(oldest);
}

static void
bytes_came(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
        struct conn *c = arg;

        (void)buffer;
        if (info->n_added > 0 && !c->busy && c->begun_ms == 0)
                c->begun_ms = lx_clock_now_ms();
}

struct bufferevent *
io_conns_add(struct event_base *base, void *arg)
{
        struct io_conns *conns = arg;
        struct conn *c;

        reap(conns);
        if (conns->count >= conns->max)
                make_room(conns);
        c = lx_alloc(sizeof(*c));
        /* The socket is closed with the last reference, after its events are taken away. */
        c->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
        lx_assert(c->bev != NULL);
        bufferevent_incref(c->bev);
        c->watch = evbuffer_add_cb(bufferevent_get_input(c->bev), bytes_came, c);
        c->since_ms = lx_clock_now_ms();
        if (conns->count == 0)
                io_timer_set(conns->sweep, SWEEP_MS);
        /* All in work: the new one, whose socket comes later, ends at the next sweep. */
        c->doomed = conns->count >= 2 * conns->max;
        if (conns->count % conns->max == 0)
                conns->conn = lx_realloc(conns->conn, (conns->count + conns->max) * sizeof(struct conn *));
        conns->conn[conns->count++] = c;
        return c->bev;
}

void
io_conns_set_busy(struct io_conns *conns, struct bufferevent *bev, bool busy)
{
        for (size_t i = 0; i < conns->count; i++) {
                struct conn *c = conns->conn[i];

                if (c->bev != bev)
                        continue;
                c->busy = busy;
                c->begun_ms = 0;
                if (!busy) {
                        c->since_ms = lx_clock_now_ms();
                        if (evbuffer_get_length(bufferevent_get_input(bev)) > 0)
                                c->begun_ms = c->since_ms;
                }
                return;
        }
}

size_t
io_conns_count(const struct io_conns *conns)
{
        return conns->count;
}

size_t
io_conns_unsent(const struct io_conns *conns)
{
        size_t bytes = 0;

        for (size_t i = 0; i < conns->count; i++)
                bytes += evbuffer_get_length(bufferevent_get_output(conns->conn[i]->bev));
        return bytes;
}

struct io_conns *
io_conns_new(struct io_loop *loop, size_t max)
{
        struct io_conns *conns = lx_alloc(sizeof(*conns));

        conns->max = max;
        conns->sweep = io_timer_new(loop, sweep, conns);
        return conns;
}

void
io_conns_free(struct io_conns *conns)
{
        if (conns == NULL)
                return;
        while (conns->count > 0)
                forget(conns, conns->count - 1);
        io_timer_free(conns->sweep);
        lx_free(conns->conn);
        lx_free(conns);
}
