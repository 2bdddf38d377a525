/* sim/user.c - see sim/user.h. */
#include "config.h"
#include "sim/user.h"

#include "base/mem.h"
#include "kit/author.h"

#include <string.h>

#define OUTSTANDING_MAX 4
#define AGAIN_MS 3000

struct user {
        struct users *users;
        struct author author;
        struct lx_buf waiting[OUTSTANDING_MAX]; /* encoded, oldest first */
        size_t waiting_count;
        struct lx_hash address; /* of its register */
        uint64_t last_try_ms;
};

struct users {
        struct world *world;
        struct node *const *nodes;
        size_t node_count;
        uint32_t pause_ms;
        bool resting;
        uint64_t final;
        size_t count;
        struct user user[];
};

/* Some honest node that is up, or NULL. */
static struct node *
pick_node(struct users *u)
{
        for (int tries = 0; tries < 20; tries++) {
                struct node *n = u->nodes[world_below(u->world, u->node_count)];

                if (node_is_up(n) && node_options(n)->honest)
                        return n;
        }
        return NULL;
}

/* How many transactions of the author the node's ledger has. */
static uint64_t
sequence_on(struct node *n, const struct lx_hash *genesis)
{
        struct ledger_view *view = ledger_view_new(node_ledger(n));
        struct sigchain_chain chain = {0};
        struct lx_buf bytes = {0};
        uint64_t sequence = 0;

        if (ledger_get_state(view, SIGCHAIN_KIND_CHAIN, genesis->b, LX_HASH_LEN, LEDGER_NOW, &bytes,
                NULL) == LX_OK &&
            sigchain_chain_decode(bytes.p, bytes.len, &chain) == LX_OK)
                sequence = chain.sequence;
        lx_buf_clear(&bytes);
        ledger_view_unref(view);
        return sequence;
}

static void
forget_final(struct user *user, struct node *n)
{
        uint64_t first = user->author.sequence - user->waiting_count;
        uint64_t sequence = sequence_on(n, &user->author.genesis);

        for (; user->waiting_count > 0 && sequence > first; first++) {
                lx_buf_clear(&user->waiting[0]);
                memmove(user->waiting, user->waiting + 1,
                    (OUTSTANDING_MAX - 1) * sizeof(user->waiting[0]));
                user->waiting[OUTSTANDING_MAX - 1] = (struct lx_buf){0};
                user->waiting_count--;
                user->users->final++;
        }
}

static void
write_next(struct user *user)
{
        struct lx_buf *out = &user->waiting[user->waiting_count++];
        uint8_t data[40];

        world_random_bytes(user->users->world, data, sizeof(data));
        if (user->author.sequence == 0)
                author_begin(&user->author, out, NULL);
        else if (user->author.sequence == 1)
                author_create_raw(&user->author, data, sizeof(data), out, NULL, &user->address);
        else
                author_write_raw(&user->author, &user->address, data, sizeof(data), out, NULL);
}

static void
act(void *arg, uint64_t tag)
{
        struct user *user = arg;
        struct users *u = user->users;
        struct node *n = pick_node(u);
        uint64_t now = world_now_ms(u->world);

        (void)tag;
        world_after(u->world, 1 + world_below(u->world, 2 * (uint64_t)u->pause_ms), act, user, 0);
        if (n == NULL)
                return;
        forget_final(user, n);
        if (!u->resting && user->waiting_count < OUTSTANDING_MAX) {
                write_next(user);
                node_submit(n, user->waiting[user->waiting_count - 1].p,
                    user->waiting[user->waiting_count - 1].len);
        }
        if (now - user->last_try_ms < AGAIN_MS)
                return;
        user->last_try_ms = now;
        for (size_t i = 0; i < user->waiting_count; i++)
                node_submit(n, user->waiting[i].p, user->waiting[i].len);
}

struct users *
users_new(struct world *w, struct node *const *nodes, size_t node_count, size_t count,
    uint32_t pause_ms, const struct lx_hash *chain_id)
{
        struct users *u = lx_alloc(sizeof(*u) + count * sizeof(u->user[0]));

        u->world = w;
        u->nodes = nodes;
        u->node_count = node_count;
        u->pause_ms = pause_ms;
        u->count = count;
        for (size_t i = 0; i < count; i++) {
                u->user[i].users = u;
                author_init(&u->user[i].author, i + 1, chain_id);
                act(&u->user[i], 0);
        }
        return u;
}

void
users_free(struct users *users)
{
        if (users == NULL)
                return;
        for (size_t i = 0; i < users->count; i++) {
                author_clear(&users->user[i].author);
                for (size_t k = 0; k < OUTSTANDING_MAX; k++)
                        lx_buf_clear(&users->user[i].waiting[k]);
        }
        lx_free(users);
}

void
users_rest(struct users *users)
{
        users->resting = true;
}

size_t
users_outstanding(const struct users *users)
{
        size_t count = 0;

        for (size_t i = 0; i < users->count; i++)
                count += users->user[i].waiting_count;
        return count;
}

uint64_t
users_final(const struct users *users)
{
        return users->final;
}
