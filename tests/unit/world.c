/* tests/unit/world.c - see tests/unit/world.h. */
#include "config.h"
#include "world.h"

#include "base/buf.h"

const struct lx_hash_ops *
world_ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- tables ------------------------------------------------------------------------------------ */

static void
put_buf(struct lx_map *map, const void *key, size_t key_len, const void *p, size_t len)
{
        struct lx_buf *buf = lx_alloc(sizeof(*buf)), *old;

        lx_buf_append(buf, p, len);
        old = lx_map_put(map, key, key_len, buf);
        if (old != NULL) {
                lx_buf_clear(old);
                lx_free(old);
        }
}

static void
free_bufs(struct lx_map *map)
{
        const void *key;
        size_t at = 0, key_len;
        void *value;

        while (lx_map_next(map, &at, &key, &key_len, &value)) {
                lx_buf_clear(value);
                lx_free(value);
        }
        lx_map_free(map);
}

static enum lx_err
get_buf(const struct lx_map *map, const void *key, size_t key_len, struct lx_buf *out)
{
        const struct lx_buf *buf = lx_map_get(map, key, key_len);

        if (buf == NULL)
                return LX_ERR_ABSENT;
        lx_buf_append(out, buf->p, buf->len);
        return LX_OK;
}

static size_t
node_key(const struct lx_hash *address, unsigned level, uint64_t index, uint8_t out[48])
{
        memcpy(out, address->b, 32);
        out[32] = (uint8_t)level;
        lx_put_be64(out + 33, index);
        return 41;
}

/* ---- the view and the sink --------------------------------------------------------------------- */

/* Whether this is the read that fails. */
static bool
fails(struct world *w)
{
        return w->fault > 0 && --w->fault == 0;
}

static enum lx_err
view_get(void *arg, const struct lx_hash *key, struct lx_buf *out)
{
        struct world *w = arg;

        return fails(w) ? LX_ERR_IO : get_buf(w->state, key->b, 32, out);
}

static enum lx_err
view_log_node(
    void *arg, const struct lx_hash *address, unsigned level, uint64_t index, struct lx_hash *out)
{
        struct world *w = arg;
        uint8_t key[48];
        const struct lx_buf *buf = lx_map_get(w->nodes, key, node_key(address, level, index, key));

        if (fails(w))
                return LX_ERR_IO;
        if (buf == NULL)
                return LX_ERR_ABSENT;
        memcpy(out->b, buf->p, 32);
        return LX_OK;
}

enum lx_err
world_trie_node(void *arg, const struct lx_hash *hash, struct lx_buf *out)
{
        struct world *w = arg;

        return fails(w) ? LX_ERR_IO : get_buf(w->tries, hash->b, 32, out);
}

static enum lx_err
view_manifest(void *arg, const struct lx_hash *root, struct lx_buf *out)
{
        struct world *w = arg;

        return fails(w) ? LX_ERR_IO : get_buf(w->manifests, root->b, 32, out);
}

struct effects {
        struct effect {
                struct sigchain_effect e;
                struct effect *next;
        } * first, **end;
};

static void
stage(void *arg, const struct sigchain_effect *effect)
{
        struct effects *all = arg;
        struct effect *one = lx_alloc(sizeof(*one));

        one->e = *effect;
        one->e.key.p = lx_memdup(effect->key.p, effect->key.len);
        one->e.value.p = lx_memdup(effect->value.p, effect->value.len);
        *all->end = one;
        all->end = &one->next;
}

static void
merge(struct world *w, const struct sigchain_effect *e)
{
        uint8_t key[48];

        switch (e->type) {
        case SIGCHAIN_EFFECT_STATE:
                if (e->value.len > 0) {
                        put_buf(w->state, e->state_key.b, 32, e->value.p, e->value.len);
                } else {
                        struct lx_buf *old = lx_map_remove(w->state, e->state_key.b, 32);

                        if (old != NULL)
                                lx_buf_clear(old);
                        lx_free(old);
                }
                break;
        case SIGCHAIN_EFFECT_ENTRY:
                memcpy(key, e->address.b, 32);
                lx_put_be64(key + 32, e->index);
                put_buf(w->entries, key, 40, e->value.p, e->value.len);
                break;
        case SIGCHAIN_EFFECT_LOG_NODE:
                put_buf(
                    w->nodes, key, node_key(&e->address, e->level, e->index, key), e->hash.b, 32);
                break;
        case SIGCHAIN_EFFECT_TRIE_NODE:
                put_buf(w->tries, e->hash.b, 32, e->value.p, e->value.len);
                break;
        case SIGCHAIN_EFFECT_INDEX:
                w->index_effects++;
                w->index_entries += e->entries;
                break;
        }
}

static void
finish_effects(struct world *w, struct effects *all, bool keep)
{
        while (all->first != NULL) {
                struct effect *one = all->first;

                all->first = one->next;
                if (keep)
                        merge(w, &one->e);
                lx_free((void *)(uintptr_t)one->e.key.p);
                lx_free((void *)(uintptr_t)one->e.value.p);
                lx_free(one);
        }
}

/* ---- the world --------------------------------------------------------------------------------- */

static void
make_set(struct world *w)
{
        static const char *const names[WORLD_VALIDATORS] = {"v0", "v1", "v2", "v3"};

        /* Sorted by key, as the encoding asks; the secrets go along. */
        for (size_t i = 0; i < WORLD_VALIDATORS; i++) {
                uint8_t sec[32];
                struct lx_pubkey key;
                size_t at = i;

                memset(sec, (int)(i + 1), sizeof(sec));
                ck_assert_int_eq(lx_sign_pubkey(sec, &key), LX_OK);
                while (at > 0 && memcmp(w->set.v[at - 1].key.b, key.b, 32) > 0) { /* public */
                        w->set.v[at] = w->set.v[at - 1];
                        memcpy(w->validator[at], w->validator[at - 1], 32);
                        at--;
                }
                w->set.v[at].key = key;
                w->set.v[at].power = 1;
                memcpy(w->validator[at], sec, 32);
        }
        for (size_t i = 0; i < WORLD_VALIDATORS; i++)
                w->set.v[i].name = LX_SPAN(names[i], 2);
        w->set.count = w->set.total = WORLD_VALIDATORS;
}

static void
make_genesis(struct world *w)
{
        static const uint8_t prefix[4] = WORLD_EID_PREFIX;
        struct sigchain_genesis *g = &w->genesis;
        struct actor one = actor_new(w, 1), two = actor_new(w, 2);
        bool swap = lx_hash_cmp(&one.genesis, &two.genesis) > 0;

        snprintf(g->network, sizeof(g->network), "unit");
        g->time_ms = 1700000000000;
        sigchain_params_defaults(&g->params);
        g->validators = w->set;
        snprintf(g->token_name, sizeof(g->token_name), "lx");
        g->token_decimals = 2;
        g->token_supply = 1500;
        g->allocation_count = 2;
        g->allocation[swap] = (struct sigchain_allocation){one.genesis, 1000};
        g->allocation[!swap] = (struct sigchain_allocation){two.genesis, 500};
        memcpy(g->eid_prefix, prefix, 4);
        g->root_count = 1;
        g->root[0] = (struct sigchain_root_prefix){
            .instance = 7, .family = 4, .prefix = {10}, .bits = 8, .owner = one.genesis};
}

void
world_begin(struct world *w)
{
        struct effects all = {0};
        struct sigchain_sink sink = {stage, &all};
        struct lx_buf bytes = {0};
        struct lx_writer wr;
        struct lx_why why = {{0}};

        memset(w, 0, sizeof(*w));
        all.end = &all.first;
        w->state = lx_map_new(1);
        w->nodes = lx_map_new(1);
        w->tries = lx_map_new(1);
        w->manifests = lx_map_new(1);
        w->entries = lx_map_new(1);
        make_set(w);
        make_genesis(w);
        wr = lx_writer_init(lx_buf_reserve(&bytes, SIGCHAIN_GENESIS_MAX), SIGCHAIN_GENESIS_MAX);
        sigchain_genesis_encode(&w->genesis, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        sigchain_chain_id(world_ops(), bytes.p, wr.len, &w->chain_id);
        sigchain_token_address(world_ops(), &w->chain_id, &w->token);
        w->params = w->genesis.params;
        ck_assert_msg(sigchain_apply_genesis(
                          lx_crypto_ops(), &w->chain_id, &w->genesis, &sink, &why) == LX_OK,
            "%s", why.text);
        finish_effects(w, &all, true);
        w->height = 10;
        lx_buf_clear(&bytes);
}

void
world_end(struct world *w)
{
        free_bufs(w->state);
        free_bufs(w->nodes);
        free_bufs(w->tries);
        free_bufs(w->manifests);
        free_bufs(w->entries);
}

void
world_lose_nodes(struct world *w)
{
        free_bufs(w->nodes);
        w->nodes = lx_map_new(1);
}

const struct lx_buf *
world_state(const struct world *w, enum sigchain_kind kind, const void *key, size_t len)
{
        struct lx_hash state_key;

        sigchain_state_key(world_ops(), kind, key, len, &state_key);
        return lx_map_get(w->state, state_key.b, 32);
}

void
world_put(struct world *w, enum sigchain_kind kind, const void *key, size_t len, const void *value,
    size_t value_len)
{
        struct lx_hash state_key;

        sigchain_state_key(world_ops(), kind, key, len, &state_key);
        put_buf(w->state, state_key.b, 32, value, value_len);
}

bool
world_register(const struct world *w, const struct lx_hash *address, struct sigchain_register *out)
{
        const struct lx_buf *buf = world_state(w, SIGCHAIN_KIND_REGISTER, address->b, 32);

        if (buf == NULL)
                return false;
        ck_assert_int_eq(sigchain_register_decode(buf->p, buf->len, out), LX_OK);
        return true;
}

uint64_t
world_number(const struct world *w, const struct lx_hash *address, const char *name)
{
        struct sigchain_register reg;
        struct sigchain_object o;
        uint64_t value;

        ck_assert(world_register(w, address, &reg));
        ck_assert_int_eq(sigchain_object_decode(reg.data, &o), LX_OK);
        ck_assert(sigchain_object_get_u64(&o, name, &value));
        return value;
}

struct lx_hash
world_manifest(struct world *w, uint32_t count, const char *prefix, uint64_t *out_size)
{
        struct sigchain_entry *entries = lx_alloc_array(count, sizeof(*entries));
        char(*path)[64] = lx_alloc_array(count, sizeof(*path));
        struct lx_buf bytes = {0};
        struct lx_hash root;

        for (uint32_t i = 0; i < count; i++) {
                snprintf(path[i], sizeof(path[i]), "%s/%06u", prefix, i);
                entries[i] = (struct sigchain_entry){.path = LX_SPAN(path[i], strlen(path[i])),
                    .size = i,
                    .mode = 0100755,
                    .root = unit_hash(3 * i),
                    .sha256 = unit_hash(3 * i + 1),
                    .fsverity = unit_hash(3 * i + 2)};
        }
        ck_assert_int_eq(
            sigchain_manifest_write(world_ops(), entries, count, &bytes, &root), LX_OK);
        put_buf(w->manifests, root.b, 32, bytes.p, bytes.len);
        *out_size = bytes.len;
        lx_buf_clear(&bytes);
        lx_free(path);
        lx_free(entries);
        return root;
}

void
world_set(const struct world *w, unsigned count, struct lx_buf *out)
{
        struct sigchain_valset set = w->set;
        struct lx_writer wr = lx_writer_init(
            lx_buf_reserve(out, SIGCHAIN_VALSET_BYTES_MAX), SIGCHAIN_VALSET_BYTES_MAX);

        set.count = count;
        sigchain_valset_encode(&set, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        lx_buf_add(out, wr.len);
}

/* ---- actors ------------------------------------------------------------------------------------ */

#define NAME_KEY 9999
#define RECOVERY_KEYS 1000

struct lx_pubkey
world_key(uint64_t seed, uint64_t n)
{
        struct lx_hash h = unit_hash(seed * 100000 + n);
        struct lx_pubkey key;

        memcpy(key.b, h.b, 32);
        return key;
}

struct actor
actor_new(const struct world *w, uint64_t seed)
{
        struct actor who = {.seed = seed, .recovery = RECOVERY_KEYS};
        struct lx_pubkey name = world_key(seed, NAME_KEY);

        (void)w;
        sigchain_genesis_id(world_ops(), &name, &who.genesis);
        return who;
}

struct actor
actor_born(struct world *w, uint64_t seed)
{
        struct actor who = actor_new(w, seed);
        struct sigchain_object o = crypto_fields(&who, 1, 65536, 3, 1, who.recovery);
        struct draft *d = draft_new(w, &who);

        draft_create_object(d, SIGCHAIN_CRYPTO, &o);
        draft_accept(d);
        return who;
}

struct lx_hash
actor_crypto(const struct actor *who)
{
        struct lx_hash address;

        sigchain_address(world_ops(), SIGCHAIN_CRYPTO, who->genesis.b, 32, &address);
        return address;
}

struct lx_hash
actor_account(const struct world *w, const struct actor *who)
{
        uint8_t key[64];
        struct lx_hash address;

        memcpy(key, who->genesis.b, 32);
        memcpy(key + 32, w->token.b, 32);
        sigchain_address(world_ops(), SIGCHAIN_ACCOUNT, key, 64, &address);
        return address;
}

/* ---- drafts ------------------------------------------------------------------------------------ */

void
draft_add_witness(struct draft *d, enum sigchain_role role, struct lx_pubkey key)
{
        struct sigchain_witness *witness = &d->tx.witness[d->tx.witness_count++];

        witness->role = role;
        witness->key = key;
}

void
draft_witness(struct draft *d, enum sigchain_role role, uint64_t n)
{
        d->tx.witness_count = 0;
        draft_add_witness(d, role, world_key(d->who->seed, n));
}

struct draft *
draft_new(struct world *w, struct actor *who)
{
        struct draft *d = lx_alloc(sizeof(*d));
        struct lx_pubkey next;

        d->w = w;
        d->who = who;
        d->next_key = who->key + 1;
        next = world_key(who->seed, d->next_key);
        d->tx.chain_id = w->chain_id;
        d->tx.genesis = who->genesis;
        d->tx.sequence = who->sequence;
        d->tx.previous = who->last;
        sigchain_next_hash(world_ops(), &next, &d->tx.next);
        draft_witness(d, SIGCHAIN_ROLE_CHAIN, who->key);
        if (who->sequence == 0)
                draft_add_witness(d, SIGCHAIN_ROLE_NAME, world_key(who->seed, NAME_KEY));
        return d;
}

void
draft_op(struct draft *d, const struct sigchain_op_body *body)
{
        struct lx_buf *buf = &d->body[d->tx.op_count];
        struct lx_writer wr = lx_writer_init(lx_buf_reserve(buf, UINT16_MAX), UINT16_MAX);

        sigchain_op_encode(body, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        lx_buf_add(buf, wr.len);
        d->tx.op[d->tx.op_count++] =
            (struct sigchain_op){.type = (uint8_t)body->type, .body = lx_buf_span(buf)};
}

void
draft_create(struct draft *d, enum sigchain_type type, const void *data, size_t len)
{
        struct sigchain_op_body *body = lx_alloc(sizeof(*body));

        body->type = SIGCHAIN_OP_CREATE;
        body->u.create.type = type;
        body->u.create.data = LX_SPAN(data, len);
        draft_op(d, body);
        lx_free(body);
}

static size_t
encode_fields(const struct sigchain_object *o, uint8_t out[SIGCHAIN_DATA_MAX])
{
        struct lx_writer wr = lx_writer_init(out, SIGCHAIN_DATA_MAX);

        sigchain_object_encode(o, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        return wr.len;
}

void
draft_create_object(struct draft *d, enum sigchain_type type, const struct sigchain_object *o)
{
        uint8_t data[SIGCHAIN_DATA_MAX];

        draft_create(d, type, data, encode_fields(o, data));
}

void
draft_write(struct draft *d, const struct lx_hash *address, const struct sigchain_object *o)
{
        uint8_t data[SIGCHAIN_DATA_MAX];
        struct sigchain_op_body *body = lx_alloc(sizeof(*body));

        body->type = SIGCHAIN_OP_WRITE;
        body->u.write.address = *address;
        body->u.write.data = LX_SPAN(data, encode_fields(o, data));
        draft_op(d, body);
        lx_free(body);
}

void
draft_update(struct draft *d, enum sigchain_op_type type, uint64_t expiry, const void *what,
    size_t what_len, unsigned signers, bool flip)
{
        const struct world *w = d->w;
        const struct lx_buf *set = world_state(w, SIGCHAIN_KIND_VALSET, NULL, 0);
        struct sigchain_op_body *body = lx_alloc(sizeof(*body));
        uint8_t cert[1 + WORLD_VALIDATORS * LX_SIG_LEN];
        struct lx_writer wr = lx_writer_init(cert, sizeof(cert));
        struct lx_hash set_hash, msg;

        sigchain_valset_hash(world_ops(), set->p, set->len, &set_hash);
        sigchain_update_message(world_ops(), (uint8_t)type, &w->chain_id, &set_hash, expiry,
            LX_SPAN(what, what_len), &msg);
        lx_write_u8(&wr, (uint8_t)(0xff00u >> signers));
        for (unsigned i = 0; i < signers; i++) {
                struct lx_sig sig;

                ck_assert_int_eq(lx_sign(w->validator[i], &msg, NULL, &sig), LX_OK);
                sig.b[63] ^= flip && i + 1 == signers;
                lx_write_bytes(&wr, sig.b, LX_SIG_LEN);
        }
        body->type = type;
        body->u.update.expiry = expiry;
        body->u.update.what = LX_SPAN(what, what_len);
        body->u.update.cert = LX_SPAN(cert, wr.len);
        draft_op(d, body);
        lx_free(body);
}

struct lx_hash
draft_address(const struct draft *d, enum sigchain_type type, uint8_t op)
{
        struct lx_hash address;

        sigchain_address_created(world_ops(), type, &d->who->genesis, d->tx.sequence, op, &address);
        return address;
}

static void
draft_free(struct draft *d)
{
        for (size_t i = 0; i < d->tx.op_count; i++)
                lx_buf_clear(&d->body[i]);
        lx_free(d);
}

/* Apply; keep the effects if @keep and it was accepted. */
static enum lx_err
try_draft(struct draft *d, bool keep)
{
        struct world *w = d->w;
        struct effects all = {0};
        struct sigchain_view view = {view_get, view_log_node, world_trie_node, view_manifest, w};
        struct sigchain_sink sink = {stage, &all};
        struct sigchain_context context = {.ops = lx_crypto_ops(),
            .chain_id = w->chain_id,
            .height = w->height,
            .params = &w->params,
            .eid_prefix = WORLD_EID_PREFIX,
            .token = w->token};
        uint8_t *core = lx_alloc(8 * SIGCHAIN_TX_MAX);
        struct lx_writer wr = lx_writer_init(core, 8 * SIGCHAIN_TX_MAX);
        enum lx_err err;

        all.end = &all.first;
        d->why.text[0] = '\0';
        sigchain_tx_encode_core(&d->tx, &wr);
        sigchain_tx_id(world_ops(), core, wr.len, &d->tx.id);
        err = sigchain_apply(&context, &view, &d->tx, &sink, &d->why);
        finish_effects(w, &all, keep && err == LX_OK);
        lx_free(core);
        return err;
}

enum lx_err
draft_apply(struct draft *d, struct lx_why *why)
{
        enum lx_err err = try_draft(d, true);

        if (err == LX_OK) {
                d->who->sequence = d->tx.sequence + 1;
                d->who->last = d->tx.id;
                d->who->key = d->next_key;
        }
        if (why != NULL)
                *why = d->why;
        draft_free(d);
        return err;
}

/* Whichever read of the store fails, its error comes out: nothing is taken for absent. */
static void
check_faults(struct draft *d)
{
        for (unsigned n = 1;; n++) {
                enum lx_err err;

                d->w->fault = n;
                err = try_draft(d, false);
                if (d->w->fault > 0)
                        break;
                ck_assert_msg(err == LX_ERR_IO, "read %u failed: %s", n, lx_err_name(err));
        }
        d->w->fault = 0;
}

void
draft_accept(struct draft *d)
{
        struct lx_why why;
        enum lx_err err;

        check_faults(d);
        err = draft_apply(d, &why);
        ck_assert_msg(err == LX_OK, "refused: %s: %s", lx_err_name(err), why.text);
}

void
draft_refuse(struct draft *d, enum lx_err err, const char *rule)
{
        struct world *w = d->w;
        struct lx_why why;
        size_t states = lx_map_count(w->state);
        char want[64];
        enum lx_err got = draft_apply(d, &why);

        ck_assert_msg(got == err, "%s, not %s (%s): %s", lx_err_name(got), lx_err_name(err),
            rule != NULL ? rule : "", why.text);
        snprintf(want, sizeof(want), "rule %s:", rule != NULL ? rule : "");
        if (rule != NULL)
                ck_assert_msg(strncmp(why.text, want, strlen(want)) == 0,
                    "\"%s\" does not begin with \"%s\"", why.text, want);
        ck_assert_uint_eq(lx_map_count(w->state), states);
}

/* ---- fields ------------------------------------------------------------------------------------ */

void
field_u64(struct sigchain_object *o, const char *name, enum sigchain_access a, uint64_t v)
{
        o->field[o->count++] = (struct sigchain_field){
            .name = LX_SPAN(name, strlen(name)), .type = SIGCHAIN_U64, .access = a, .u64 = v};
}

void
field_text(struct sigchain_object *o, const char *name, enum sigchain_access a, const char *s)
{
        field_bytes(o, name, SIGCHAIN_TEXT, a, s, strlen(s));
}

void
field_bytes(struct sigchain_object *o, const char *name, enum sigchain_field_type type,
    enum sigchain_access a, const void *p, size_t len)
{
        o->field[o->count++] = (struct sigchain_field){.name = LX_SPAN(name, strlen(name)),
            .type = type,
            .access = a,
            .bytes = LX_SPAN(p, len)};
}

struct sigchain_object
crypto_fields(const struct actor *who, uint64_t kind, uint64_t mem, uint64_t passes, uint64_t lanes,
    uint64_t recovery)
{
        static struct lx_hash hash; /* outlives the object; one at a time */
        struct sigchain_object o = {.count = 0};
        struct lx_pubkey key = world_key(who->seed, recovery);

        hash = (struct lx_hash){{0}};
        if (recovery != UINT64_MAX)
                sigchain_next_hash(world_ops(), &key, &hash);
        field_u64(&o, "kind", SIGCHAIN_FIXED, kind);
        field_u64(&o, "kdf_mem", SIGCHAIN_MUTABLE, mem);
        field_u64(&o, "kdf_passes", SIGCHAIN_MUTABLE, passes);
        field_u64(&o, "kdf_lanes", SIGCHAIN_MUTABLE, lanes);
        field_bytes(&o, "recovery", SIGCHAIN_HASH, SIGCHAIN_SYSTEM, hash.b, 32);
        field_u64(&o, "recovery_use", SIGCHAIN_SYSTEM, 0);
        field_u64(&o, "stamp", SIGCHAIN_FIXED, 0);
        return o;
}

struct sigchain_object
release_fields(const struct lx_hash *manifest, uint64_t entries, uint64_t size)
{
        static const struct lx_hash none = {{0}};
        struct sigchain_object o = {.count = 0};

        field_text(&o, "name", SIGCHAIN_FIXED, "tools");
        field_text(&o, "version", SIGCHAIN_FIXED, "1");
        field_bytes(&o, "manifest", SIGCHAIN_HASH, SIGCHAIN_FIXED, manifest->b, 32);
        field_u64(&o, "entries", SIGCHAIN_FIXED, entries);
        field_u64(&o, "size", SIGCHAIN_FIXED, size);
        field_bytes(&o, "leaves", SIGCHAIN_HASH, SIGCHAIN_FIXED, none.b, 32);
        return o;
}
