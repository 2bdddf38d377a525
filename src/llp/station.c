/* llp/station.c - see llp/station.h. */
#include "config.h"
#include "llp/station.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "light/answer.h"
#include "llp/message.h"

#include <string.h>

/* A watch list, whole or in the making. */
struct list {
        uint8_t digest[LIGHT_DIGEST_LEN];
        struct lx_buf entries;
        uint64_t total, have; /* entries */
        uint64_t used;        /* serial of the last use */
};

/* A question that waits. */
struct asked {
        struct asked *next;
        struct light_ask ask;
        struct lx_buf entries; /* of a WATCH: its list */
        enum lx_err refuse;    /* at once */
};

struct job;

struct light_peer {
        struct light_peer *next;
        uint32_t handle;
        struct asked *first, **end;
        size_t waiting;
        struct job *job;      /* being made */
        uint64_t told;        /* the tip that was told last */
        struct lx_buf answer; /* being sent */
        size_t answer_at;
        uint8_t number;
        bool sending;
};

struct llp_station {
        struct llp_station_options options;
        struct light_peer *peers;
        struct list lists[LLP_STATION_LISTS_MAX];
        size_t list_count;
        uint64_t uses;
        bool stopping;
        struct llp_station_stats stats;
};

struct job {
        struct lx_job job; /* first */
        struct llp_station *station;
        struct light_peer *peer; /* NULL: gone */
        struct asked *asked;
        struct ledger_view *view;
        struct lx_buf out;
        uint64_t told;
        enum lx_err err;
};

static void pump(struct llp_station *station, struct light_peer *peer);

static struct light_peer *
find_peer(const struct llp_station *station, uint32_t handle)
{
        struct light_peer *peer = station->peers;

        while (peer != NULL && peer->handle != handle)
                peer = peer->next;
        return peer;
}

static void
free_asked(struct asked *asked)
{
        if (asked == NULL)
                return;
        lx_buf_clear(&asked->entries);
        lx_free(asked);
}

/* ---- lists --------------------------------------------------------------------------------------- */

static struct list *
find_list(struct llp_station *station, const uint8_t digest[LIGHT_DIGEST_LEN])
{
        for (size_t i = 0; i < station->list_count; i++)
                if (memcmp(station->lists[i].digest, digest, LIGHT_DIGEST_LEN) == 0) { /* public */
                        station->lists[i].used = ++station->uses;
                        return &station->lists[i];
                }
        return NULL;
}

static void
drop_list(struct llp_station *station, size_t i)
{
        lx_buf_clear(&station->lists[i].entries);
        station->lists[i] = station->lists[--station->list_count];
}

/* Room for one more list of at most @len bytes. */
static void
make_room(struct llp_station *station, size_t len)
{
        for (;;) {
                size_t bytes = len, oldest = 0;

                for (size_t i = 0; i < station->list_count; i++) {
                        bytes += station->lists[i].entries.cap;
                        if (station->lists[i].used < station->lists[oldest].used)
                                oldest = i;
                }
                if (station->list_count == 0 ||
                    (station->list_count < LLP_STATION_LISTS_MAX && bytes <= LLP_STATION_LIST_BYTES_MAX))
                        return;
                drop_list(station, oldest);
        }
}

static uint64_t
count_entries(struct lx_span entries)
{
        struct lx_reader rd = lx_reader_init(entries.p, entries.len);
        struct light_entry entry;
        uint64_t count = 0;

        for (; rd.left > 0 && rd.err == LX_OK; count++)
                light_entry_decode(&rd, &entry);
        return count;
}

/* A part of a list: it goes on where it is, or is left out. Returns how many entries are known now. */
static uint64_t
take_list(struct llp_station *station, const struct light_ask *ask)
{
        struct list *list = find_list(station, ask->digest);
        uint8_t digest[LIGHT_DIGEST_LEN];

        if (list == NULL) {
                make_room(station, ask->entries.len);
                list = &station->lists[station->list_count++];
                *list = (struct list){.total = ask->count, .used = ++station->uses};
                memcpy(list->digest, ask->digest, LIGHT_DIGEST_LEN);
        }
        if (list->have != ask->offset || list->total != ask->count)
                return list->have;
        lx_buf_append(&list->entries, ask->entries.p, ask->entries.len);
        list->have += count_entries(ask->entries);
        if (list->have < list->total)
                return list->have;
        light_list_digest(&lx_crypto_ops()->hash, lx_buf_span(&list->entries), digest);
        if (memcmp(digest, ask->digest, LIGHT_DIGEST_LEN) == 0) /* public */
                return list->have;
        drop_list(station, (size_t)(list - station->lists)); /* it is not what the digest says: begin again */
        return 0;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void
run(struct lx_job *lx)
{
        struct job *job = (struct job *)lx;

        job->err = light_answer(job->view, job->station->options.blobs, &job->asked->ask,
            lx_buf_span(&job->asked->entries), &job->out, &job->told);
}

static void
refuse(struct llp_station *station, struct light_peer *peer, uint8_t number, enum lx_err err)
{
        struct light_part part = {.number = number, .end = 2, .no = (uint8_t)light_no_of(err)};
        uint8_t bytes[3];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        light_part_encode(&part, &wr);
        station->stats.refused++;
        (void)station->options.net->send(station->options.net->arg, peer->handle, LLP_LIGHT_PART, bytes, wr.len);
}

static void
begin_sending(struct light_peer *peer, uint8_t number, struct lx_buf *answer)
{
        lx_buf_clear(&peer->answer);
        peer->answer = *answer;
        *answer = (struct lx_buf){0};
        peer->answer_at = 0;
        peer->number = number;
        peer->sending = true;
}

static void
done(struct lx_job *lx)
{
        struct job *job = (struct job *)lx;
        struct llp_station *station = job->station;
        struct light_peer *peer = job->peer;

        ledger_view_unref(job->view);
        if (peer != NULL) {
                peer->job = NULL;
                peer->told = job->told;
                if (job->err == LX_OK)
                        begin_sending(peer, job->asked->ask.number, &job->out);
                else
                        refuse(station, peer, job->asked->ask.number, job->err);
        }
        free_asked(job->asked);
        lx_buf_clear(&job->out);
        lx_free(job);
        if (peer != NULL && !station->stopping)
                pump(station, peer);
}

/* Send parts while there is room; false: it waits. */
static bool
send_parts(struct llp_station *station, struct light_peer *peer)
{
        const struct llp_net *net = station->options.net;
        uint8_t bytes[LIGHT_PART_MAX + LIGHT_PART_HEAD];

        while (peer->sending && net->has_room(net->arg, peer->handle, LLP_LIGHT_PART)) {
                size_t left = peer->answer.len - peer->answer_at, len = left < LIGHT_PART_MAX ? left : LIGHT_PART_MAX;
                struct light_part part = {.number = peer->number,
                    .end = len == left,
                    .bytes = LX_SPAN(peer->answer.p + peer->answer_at, len)};
                struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

                light_part_encode(&part, &wr);
                if (!net->send(net->arg, peer->handle, LLP_LIGHT_PART, bytes, wr.len))
                        return false;
                station->stats.bytes_out += wr.len;
                peer->answer_at += len;
                peer->sending = len < left;
        }
        if (!peer->sending)
                lx_buf_clear(&peer->answer);
        return !peer->sending;
}

static void
make_next(struct llp_station *station, struct light_peer *peer)
{
        struct asked *asked = peer->first;
        struct job *job;

        peer->first = asked->next;
        if (peer->first == NULL)
                peer->end = &peer->first;
        peer->waiting--;
        if (asked->refuse != LX_OK) {
                refuse(station, peer, asked->ask.number, asked->refuse);
                free_asked(asked);
                return;
        }
        if (asked->ask.type == LIGHT_LIST) { /* it was taken when it came; count says what is known */
                struct lx_buf answer = {0};
                struct lx_writer wr = lx_writer_init(lx_buf_reserve(&answer, 10), 10);

                lx_write_varint(&wr, asked->ask.count);
                lx_buf_add(&answer, wr.len);
                begin_sending(peer, asked->ask.number, &answer);
                free_asked(asked);
                return;
        }
        if (asked->ask.type == LIGHT_WATCH && asked->ask.tip == 0)
                asked->ask.tip = peer->told;
        job = lx_alloc(sizeof(*job));
        *job = (struct job){.job = {.run = run, .done = done},
            .station = station,
            .peer = peer,
            .asked = asked,
            .view = ledger_view_new(station->options.ledger),
            .told = peer->told};
        peer->job = job;
        lx_pool_submit(station->options.pool, &job->job);
}

static void
pump(struct llp_station *station, struct light_peer *peer)
{
        while (peer->job == NULL && send_parts(station, peer) && peer->first != NULL)
                make_next(station, peer);
}

/* ---- life ---------------------------------------------------------------------------------------- */

struct llp_station *
llp_station_new(const struct llp_station_options *options)
{
        struct llp_station *station = lx_alloc(sizeof(*station));

        station->options = *options;
        return station;
}

static void
free_peer(struct light_peer *peer)
{
        if (peer->job != NULL)
                peer->job->peer = NULL; /* its end frees it */
        while (peer->first != NULL) {
                struct asked *asked = peer->first;

                peer->first = asked->next;
                free_asked(asked);
        }
        lx_buf_clear(&peer->answer);
        lx_free(peer);
}

void
llp_station_free(struct llp_station *station)
{
        if (station == NULL)
                return;
        station->stopping = true;
        while (station->peers != NULL)
                llp_station_peer_down(station, station->peers->handle);
        lx_pool_drain(station->options.pool);
        while (station->list_count > 0)
                drop_list(station, 0);
        lx_free(station);
}

void
llp_station_peer_up(struct llp_station *station, uint32_t handle)
{
        struct light_peer *peer = lx_alloc(sizeof(*peer));

        peer->handle = handle;
        peer->end = &peer->first;
        peer->next = station->peers;
        station->peers = peer;
        station->stats.peers++;
}

void
llp_station_peer_down(struct llp_station *station, uint32_t handle)
{
        for (struct light_peer **at = &station->peers; *at != NULL; at = &(*at)->next)
                if ((*at)->handle == handle) {
                        struct light_peer *peer = *at;

                        *at = peer->next;
                        free_peer(peer);
                        station->stats.peers--;
                        return;
                }
}

bool
llp_station_has(const struct llp_station *station, uint32_t peer)
{
        return find_peer(station, peer) != NULL;
}

/* The list that a WATCH is about, copied: lists come and go while it waits. */
static void
attach_list(struct llp_station *station, struct asked *asked)
{
        const struct list *list;

        if (asked->ask.listed) {
                lx_buf_append(&asked->entries, asked->ask.entries.p, asked->ask.entries.len);
                return;
        }
        list = find_list(station, asked->ask.digest);
        if (list == NULL || list->have < list->total)
                asked->refuse = LX_ERR_EXISTS;
        else
                lx_buf_append(&asked->entries, list->entries.p, list->entries.len);
}

enum lx_err
llp_station_receive(
    struct llp_station *station, uint32_t handle, unsigned type, const uint8_t *bytes, size_t len)
{
        struct light_peer *peer = find_peer(station, handle);
        struct asked *asked;
        struct light_ask ask;
        enum lx_err err;

        if (peer == NULL)
                return LX_OK;
        if (type != LLP_LIGHT_ASK)
                return LX_ERR_FORMAT;
        err = light_ask_decode(bytes, len, &ask);
        if (err != LX_OK)
                return err;
        station->stats.asks++;
        if (peer->waiting >= LLP_STATION_ASKS_MAX) {
                refuse(station, peer, ask.number, LX_ERR_LIMIT);
                return LX_OK;
        }
        asked = lx_alloc(sizeof(*asked));
        asked->ask = ask;
        if (ask.type == LIGHT_WATCH)
                attach_list(station, asked);
        if (ask.type == LIGHT_LIST)
                asked->ask.count = take_list(station, &ask);
        asked->ask.entries = LX_SPAN(NULL, 0);
        *peer->end = asked;
        peer->end = &asked->next;
        peer->waiting++;
        pump(station, peer);
        return LX_OK;
}

void
llp_station_writable(struct llp_station *station)
{
        for (struct light_peer *peer = station->peers, *next; peer != NULL; peer = next) {
                next = peer->next;
                pump(station, peer);
        }
}

void
llp_station_get_stats(const struct llp_station *station, struct llp_station_stats *out_stats)
{
        *out_stats = station->stats;
        out_stats->lists = station->list_count;
}
