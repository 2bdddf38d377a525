/*
 * tests/unit/check_sigchain_tx.c - the rules of whole transactions: place, keys, recovery, change of
 * password, stamps, fees. Every refusal names its rule; what is allowed passes.
 */
#include "config.h"
#include "world.h"

static void
add_raw(struct draft *d)
{
        draft_create(d, SIGCHAIN_RAW, "x", 1);
}

static void
add_crypto(struct draft *d)
{
        struct sigchain_object o = crypto_fields(d->who, 1, 65536, 3, 1, d->who->recovery);

        draft_create_object(d, SIGCHAIN_CRYPTO, &o);
}

/* ---- place ------------------------------------------------------------------------------------- */

static void
other_network(struct draft *d)
{
        d->tx.chain_id.b[0] ^= 1;
}

static void
past_expiry(struct draft *d)
{
        d->tx.expiry = d->w->height - 1;
}

static void
sequence_ahead(struct draft *d)
{
        d->tx.sequence++;
}

static void
sequence_behind(struct draft *d)
{
        d->tx.sequence--;
}

static void
other_previous(struct draft *d)
{
        d->tx.previous.b[31] ^= 1;
}

static void
no_next_key(struct draft *d)
{
        d->tx.next = (struct lx_hash){{0}};
}

static void
same_key_again(struct draft *d)
{
        struct lx_pubkey key = world_key(d->who->seed, d->who->key);

        sigchain_next_hash(world_ops(), &key, &d->tx.next);
}

static void
sponsored(struct draft *d)
{
        draft_add_witness(d, SIGCHAIN_ROLE_SPONSOR, world_key(77, 0));
}

static void
delegated(struct draft *d)
{
        draft_witness(d, SIGCHAIN_ROLE_DELEGATE, 5);
}

static void
old_key(struct draft *d)
{
        draft_witness(d, SIGCHAIN_ROLE_CHAIN, d->who->key + 7);
}

static void
two_witnesses(struct draft *d)
{
        draft_add_witness(d, SIGCHAIN_ROLE_NAME, world_key(d->who->seed, 9999));
}

static void
name_alone(struct draft *d)
{
        draft_witness(d, SIGCHAIN_ROLE_NAME, 9999);
}

static void
unknown_operation(struct draft *d)
{
        d->tx.op[0].type = 12;
}

static void
malformed_operation(struct draft *d)
{
        d->tx.op[0].body.len--;
}

static void
fee_without_account(struct draft *d)
{
        d->tx.fee = 5;
        d->tx.fee_account = unit_hash(4711);
}

START_TEST(a_second_transaction)
{
        static const struct {
                const char *what;
                void (*spoil)(struct draft *d);
                enum lx_err err;
                const char *rule;
        } rows[] = {
            {"another network", other_network, LX_ERR_RULE, "network"},
            {"past its expiry", past_expiry, LX_ERR_EXPIRED, "expiry"},
            {"sequence ahead", sequence_ahead, LX_ERR_SEQUENCE, "sequence"},
            {"sequence behind", sequence_behind, LX_ERR_SEQUENCE, "sequence"},
            {"another previous", other_previous, LX_ERR_SEQUENCE, "sequence"},
            {"no next key", no_next_key, LX_ERR_RULE, "next-key"},
            {"the key again", same_key_again, LX_ERR_RULE, "next-key"},
            {"a sponsor", sponsored, LX_ERR_RULE, "role"},
            {"a delegate", delegated, LX_ERR_RULE, "role"},
            {"another key", old_key, LX_ERR_SIGNATURE, "witness"},
            {"a name witness too", two_witnesses, LX_ERR_SIGNATURE, "witness"},
            {"a name witness alone", name_alone, LX_ERR_SIGNATURE, "witness"},
            {"an unknown operation", unknown_operation, LX_ERR_FORMAT, "form"},
            {"a malformed operation", malformed_operation, LX_ERR_TRUNCATED, "form"},
            {"a fee from nowhere", fee_without_account, LX_ERR_ABSENT, "register"},
        };
        struct world w;
        struct actor a;

        world_begin(&w);
        a = actor_born(&w, 5);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct draft *d = draft_new(&w, &a);

                add_raw(d);
                rows[i].spoil(d);
                draft_refuse(d, rows[i].err, rows[i].rule);
        }
        /* The same, unspoilt, up to the last height of its expiry. */
        for (int i = 0; i < 3; i++) {
                struct draft *d = draft_new(&w, &a);

                add_raw(d);
                d->tx.expiry = i == 0 ? 0 : w.height + (uint64_t)i - 1;
                draft_accept(d);
        }
        ck_assert_uint_eq(a.sequence, 4);
        world_end(&w);
}
END_TEST

START_TEST(the_chain_moves)
{
        struct world w;
        struct actor a;
        struct draft *d;
        struct sigchain_chain chain;
        const struct lx_buf *bytes;
        struct lx_hash next, id;

        world_begin(&w);
        a = actor_born(&w, 5);
        w.height = 12;
        d = draft_new(&w, &a);
        add_raw(d);
        next = d->tx.next;
        draft_accept(d);
        bytes = world_state(&w, SIGCHAIN_KIND_CHAIN, a.genesis.b, 32);
        id = a.last;
        ck_assert_int_eq(sigchain_chain_decode(bytes->p, bytes->len, &chain), LX_OK);
        ck_assert_uint_eq(chain.sequence, 2);
        ck_assert_uint_eq(chain.created, 10);
        ck_assert_uint_eq(chain.modified, 12);
        ck_assert(lx_hash_eq(&chain.next, &next));
        ck_assert(lx_hash_eq(&chain.last, &id));
        world_end(&w);
}
END_TEST

/* ---- first transactions ------------------------------------------------------------------------ */

static void
without_name(struct draft *d)
{
        draft_witness(d, SIGCHAIN_ROLE_CHAIN, 0);
}

static void
without_chain(struct draft *d)
{
        draft_witness(d, SIGCHAIN_ROLE_NAME, 9999);
}

static void
another_name(struct draft *d)
{
        draft_witness(d, SIGCHAIN_ROLE_CHAIN, 0);
        draft_add_witness(d, SIGCHAIN_ROLE_NAME, world_key(6, 9999));
}

static void
recovery_too(struct draft *d)
{
        draft_add_witness(d, SIGCHAIN_ROLE_RECOVERY, world_key(5, 1000));
}

static void
raw_first(struct draft *d)
{
        lx_buf_clear(&d->body[0]);
        d->tx.op_count = 0;
        add_raw(d);
}

static void
write_first(struct draft *d)
{
        d->tx.op[0].type = SIGCHAIN_OP_WRITE;
}

static void
crypto_twice(struct draft *d)
{
        add_crypto(d);
}

START_TEST(a_first_transaction)
{
        static const struct {
                const char *what;
                void (*spoil)(struct draft *d);
                enum lx_err err;
                const char *rule;
        } rows[] = {
            {"not signed by the name", without_name, LX_ERR_SIGNATURE, "witness"},
            {"not signed by the chain", without_chain, LX_ERR_SIGNATURE, "witness"},
            {"signed by another name", another_name, LX_ERR_SIGNATURE, "witness"},
            {"a recovery witness", recovery_too, LX_ERR_SIGNATURE, "witness"},
            {"no crypto register", raw_first, LX_ERR_RULE, "first-transaction"},
            {"no create", write_first, LX_ERR_RULE, "first-transaction"},
            {"two crypto registers", crypto_twice, LX_ERR_RULE, "first-transaction"},
        };
        struct world w;
        struct actor a;
        struct draft *d;

        world_begin(&w);
        a = actor_new(&w, 5);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                d = draft_new(&w, &a);
                add_crypto(d);
                rows[i].spoil(d);
                draft_refuse(d, rows[i].err, rows[i].rule);
        }
        d = draft_new(&w, &a);
        add_crypto(d);
        add_raw(d);
        draft_accept(d);
        /* Later nobody makes another one. */
        d = draft_new(&w, &a);
        add_crypto(d);
        draft_refuse(d, LX_ERR_RULE, "first-transaction");
        /* And nobody begins the chain again, also not with the right name key. */
        a.sequence = 0;
        a.last = (struct lx_hash){{0}};
        d = draft_new(&w, &a);
        add_crypto(d);
        draft_refuse(d, LX_ERR_SEQUENCE, "sequence");
        world_end(&w);
}
END_TEST

START_TEST(the_crypto_register)
{
        static const struct {
                uint64_t kind, mem, passes, lanes, recovery, use;
                enum lx_err err;
                const char *rule;
        } rows[] = {
            {0, 65536, 3, 1, 1000, 0, LX_ERR_RULE, "crypto"},
            {3, 65536, 3, 1, 1000, 0, LX_ERR_RULE, "crypto"},
            {1, 65536, 3, 1, UINT64_MAX, 0, LX_ERR_RULE, "recovery"},
            {1, 65535, 3, 1, 1000, 0, LX_ERR_RULE, "kdf"},
            {1, 4194305, 3, 1, 1000, 0, LX_ERR_RULE, "kdf"},
            {1, 65536, 2, 1, 1000, 0, LX_ERR_RULE, "kdf"},
            {1, 65536, 65, 1, 1000, 0, LX_ERR_RULE, "kdf"},
            {1, 65536, 3, 0, 1000, 0, LX_ERR_RULE, "kdf"},
            {1, 65536, 3, 2, 1000, 0, LX_ERR_RULE, "kdf"},
            {1, 0x100000000ull + 65536, 3, 1, 1000, 0, LX_ERR_RULE, "kdf"},
            {2, 1, 1, 1, UINT64_MAX, 0, LX_ERR_RULE, "kdf"},
            {1, 65536, 3, 1, 1000, 1, LX_ERR_RULE, "recovery"},
            {1, 65536, 3, 1, 1000, 0, LX_OK, NULL},
            {1, 4194304, 64, 1, 1000, 0, LX_OK, NULL},
            {2, 65536, 3, 1, UINT64_MAX, 0, LX_OK, NULL},
            {2, 65536, 3, 1, 1000, 0, LX_OK, NULL},
        };
        struct world w;

        world_begin(&w);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct actor a = actor_new(&w, 50 + i);
                struct sigchain_object o = crypto_fields(
                    &a, rows[i].kind, rows[i].mem, rows[i].passes, rows[i].lanes, rows[i].recovery);
                struct draft *d = draft_new(&w, &a);

                o.field[5].u64 = rows[i].use;
                draft_create_object(d, SIGCHAIN_CRYPTO, &o);
                if (rows[i].err == LX_OK)
                        draft_accept(d);
                else
                        draft_refuse(d, rows[i].err, rows[i].rule);
        }
        world_end(&w);
}
END_TEST

START_TEST(a_stamp_of_work)
{
        struct world w;
        struct actor a;
        struct sigchain_object o;
        struct draft *d;
        uint64_t stamp = 0;

        world_begin(&w);
        a = actor_new(&w, 5);
        w.params.value[SIGCHAIN_STAMP_BITS] = 8;
        while (sigchain_stamp_bits(world_ops(), &w.chain_id, &a.genesis, stamp) >= 8)
                stamp++;
        o = crypto_fields(&a, 1, 65536, 3, 1, 1000);
        o.field[6].u64 = stamp;
        d = draft_new(&w, &a);
        draft_create_object(d, SIGCHAIN_CRYPTO, &o);
        draft_refuse(d, LX_ERR_RULE, "stamp");
        while (sigchain_stamp_bits(world_ops(), &w.chain_id, &a.genesis, stamp) < 8)
                stamp++;
        o.field[6].u64 = stamp;
        d = draft_new(&w, &a);
        draft_create_object(d, SIGCHAIN_CRYPTO, &o);
        draft_accept(d);
        /* Raising it later does not touch who is there. */
        w.params.value[SIGCHAIN_STAMP_BITS] = 40;
        d = draft_new(&w, &a);
        add_raw(d);
        draft_accept(d);
        world_end(&w);
}
END_TEST

/* ---- change of password, recovery -------------------------------------------------------------- */

static struct sigchain_object
kdf_change(uint64_t mem)
{
        struct sigchain_object o = {.count = 0};

        field_u64(&o, "kdf_mem", SIGCHAIN_MUTABLE, mem);
        return o;
}

START_TEST(a_change_of_password)
{
        struct world w;
        struct actor a;
        struct lx_hash address, none = {{0}};
        struct sigchain_object o = kdf_change(65536), lower = kdf_change(65535),
                               steal = {.count = 0};
        struct draft *d;

        world_begin(&w);
        a = actor_born(&w, 5);
        address = actor_crypto(&a);
        /* The same KDF, another key: only the commitment changes. */
        d = draft_new(&w, &a);
        draft_write(d, &address, &o);
        draft_accept(d);
        o = kdf_change(131072);
        d = draft_new(&w, &a);
        draft_write(d, &address, &o);
        draft_accept(d);
        ck_assert_uint_eq(world_number(&w, &address, "kdf_mem"), 131072);
        d = draft_new(&w, &a);
        draft_write(d, &address, &lower);
        draft_refuse(d, LX_ERR_RULE, "kdf");
        /* Recovery stays, whatever the chain's key signs. */
        field_bytes(&steal, "recovery", SIGCHAIN_HASH, SIGCHAIN_SYSTEM, none.b, 32);
        d = draft_new(&w, &a);
        draft_write(d, &address, &steal);
        draft_refuse(d, LX_ERR_RULE, "field-fixed");
        steal.count = 0;
        field_u64(&steal, "recovery_use", SIGCHAIN_SYSTEM, 9);
        d = draft_new(&w, &a);
        draft_write(d, &address, &steal);
        draft_refuse(d, LX_ERR_RULE, "field-fixed");
        steal.count = 0;
        field_u64(&steal, "kind", SIGCHAIN_FIXED, 2);
        d = draft_new(&w, &a);
        draft_write(d, &address, &steal);
        draft_refuse(d, LX_ERR_RULE, "field-fixed");
        world_end(&w);
}
END_TEST

/* A recovery: signed by recovery key @by, setting the hash of key @to; commits to key 500. */
static struct draft *
recover(struct world *w, struct actor *a, uint64_t by, uint64_t to)
{
        static struct lx_hash hash;
        struct sigchain_object o = kdf_change(65536);
        struct lx_hash address = actor_crypto(a);
        struct lx_pubkey key = world_key(a->seed, to);
        struct draft *d = draft_new(w, a);

        hash = (struct lx_hash){{0}};
        if (to != UINT64_MAX)
                sigchain_next_hash(world_ops(), &key, &hash);
        field_bytes(&o, "recovery", SIGCHAIN_HASH, SIGCHAIN_SYSTEM, hash.b, 32);
        draft_witness(d, SIGCHAIN_ROLE_RECOVERY, by);
        draft_write(d, &address, &o);
        d->next_key = 500;
        key = world_key(a->seed, 500);
        sigchain_next_hash(world_ops(), &key, &d->tx.next);
        return d;
}

START_TEST(a_recovery)
{
        struct world w;
        struct actor a, plain;
        struct lx_hash address;
        struct sigchain_object o = kdf_change(131072);
        struct draft *d;

        world_begin(&w);
        a = actor_born(&w, 5);
        address = actor_crypto(&a);
        draft_refuse(recover(&w, &a, 1001, 1002), LX_ERR_SIGNATURE, "witness");
        draft_refuse(recover(&w, &a, 1000, UINT64_MAX), LX_ERR_RULE, "recovery");
        draft_refuse(recover(&w, &a, 1000, 1000), LX_ERR_RULE, "recovery");
        /* Its first operation must set the new hash. */
        d = draft_new(&w, &a);
        draft_witness(d, SIGCHAIN_ROLE_RECOVERY, 1000);
        add_raw(d);
        draft_refuse(d, LX_ERR_RULE, "recovery");
        d = draft_new(&w, &a);
        draft_witness(d, SIGCHAIN_ROLE_RECOVERY, 1000);
        draft_write(d, &address, &o);
        draft_refuse(d, LX_ERR_RULE, "recovery");
        d = recover(&w, &a, 1000, 1001);
        d->tx.op[0].body.len = 31;
        draft_refuse(d, LX_ERR_RULE, "recovery");
        d = recover(&w, &a, 1000, 1001);
        d->body[0].p[5] ^= 1; /* of the address */
        draft_refuse(d, LX_ERR_RULE, "recovery");
        /* Only its first operation: a second write may not set it again. */
        d = recover(&w, &a, 1000, 1001);
        d->tx.op[1] = d->tx.op[0];
        d->tx.op_count = 2;
        draft_refuse(d, LX_ERR_RULE, "field-fixed");
        world_end(&w);

        world_begin(&w);
        a = actor_born(&w, 5);
        draft_accept(recover(&w, &a, 1000, 1001));
        ck_assert_uint_eq(world_number(&w, &address, "recovery_use"), 1);
        ck_assert_uint_eq(a.key, 500);
        d = draft_new(&w, &a); /* the new key signs */
        add_raw(d);
        draft_accept(d);
        draft_refuse(recover(&w, &a, 1000, 1002), LX_ERR_SIGNATURE, "witness"); /* used up */
        draft_accept(recover(&w, &a, 1001, 1002));
        ck_assert_uint_eq(world_number(&w, &address, "recovery_use"), 2);
        world_end(&w);

        /* A key file without words has none. */
        world_begin(&w);
        plain = actor_new(&w, 6);
        o = crypto_fields(&plain, 2, 65536, 3, 1, UINT64_MAX);
        d = draft_new(&w, &plain);
        draft_create_object(d, SIGCHAIN_CRYPTO, &o);
        draft_accept(d);
        draft_refuse(recover(&w, &plain, 1000, 1001), LX_ERR_SIGNATURE, "witness");
        world_end(&w);
}
END_TEST

/* ---- fees -------------------------------------------------------------------------------------- */

static struct draft *
paying(struct world *w, struct actor *a, uint64_t fee, struct lx_hash account)
{
        struct draft *d = draft_new(w, a);

        add_raw(d); /* costs 2: one, and one for up to 1024 bytes */
        d->tx.fee = fee;
        d->tx.fee_account = fee > 0 ? account : (struct lx_hash){{0}};
        return d;
}

START_TEST(fees)
{
        struct world w;
        struct actor a, b, poor;
        struct lx_hash account, others, token, own, raw;
        struct sigchain_object o = {.count = 0};
        struct draft *d;

        world_begin(&w);
        w.params.value[SIGCHAIN_FEE_UNIT] = 10;
        a = actor_born(&w, 1); /* the stamp pays for a first transaction */
        b = actor_born(&w, 2);
        account = actor_account(&w, &a);
        others = actor_account(&w, &b);
        draft_refuse(paying(&w, &a, 0, account), LX_ERR_RULE, "fee");
        draft_refuse(paying(&w, &a, 19, account), LX_ERR_RULE, "fee");
        draft_refuse(paying(&w, &a, 20, others), LX_ERR_DENIED, "owner");
        draft_refuse(paying(&w, &a, 20, actor_crypto(&a)), LX_ERR_RULE, "account");
        draft_refuse(paying(&w, &a, 20, w.token), LX_ERR_DENIED, "owner");
        draft_refuse(paying(&w, &a, 1001, account), LX_ERR_RULE, "balance");
        draft_accept(paying(&w, &a, 20, account));
        ck_assert_uint_eq(world_number(&w, &account, "balance"), 980);
        draft_accept(paying(&w, &a, 25, account)); /* more is allowed */
        ck_assert_uint_eq(world_number(&w, &account, "balance"), 955);
        /* Not in another token, nor from the token register itself. */
        d = draft_new(&w, &a);
        field_text(&o, "name", SIGCHAIN_FIXED, "mine");
        field_u64(&o, "decimals", SIGCHAIN_FIXED, 0);
        field_u64(&o, "supply", SIGCHAIN_FIXED, 100);
        field_u64(&o, "balance", SIGCHAIN_SYSTEM, 100);
        draft_create_object(d, SIGCHAIN_TOKEN, &o);
        token = draft_address(d, SIGCHAIN_TOKEN, 0);
        o.count = 0;
        field_bytes(&o, "token", SIGCHAIN_ADDRESS, SIGCHAIN_FIXED, token.b, 32);
        field_u64(&o, "balance", SIGCHAIN_SYSTEM, 0);
        draft_create_object(d, SIGCHAIN_ACCOUNT, &o);
        own = draft_address(d, SIGCHAIN_ACCOUNT, 1);
        d->tx.fee = 40;
        d->tx.fee_account = account;
        draft_accept(d);
        draft_refuse(paying(&w, &a, 20, token), LX_ERR_RULE, "fee");
        draft_refuse(paying(&w, &a, 20, own), LX_ERR_RULE, "fee");
        /* Size costs: 1 and 4 for a body of 3 to 4 KiB. */
        d = draft_new(&w, &a);
        {
                uint8_t big[3500] = {0};

                draft_create(d, SIGCHAIN_RAW, big, sizeof(big));
        }
        raw = draft_address(d, SIGCHAIN_RAW, 0);
        d->tx.fee = 49;
        d->tx.fee_account = account;
        draft_refuse(d, LX_ERR_RULE, "fee");
        ck_assert(world_state(&w, SIGCHAIN_KIND_REGISTER, raw.b, 32) == NULL);
        /* A first transaction with more than two operations pays. */
        poor = actor_new(&w, 9);
        d = draft_new(&w, &poor);
        add_crypto(d);
        add_raw(d);
        add_raw(d);
        draft_refuse(d, LX_ERR_RULE, "fee");
        world_end(&w);
}
END_TEST

/* Everybody stores a manifest: it is paid by its size. */
START_TEST(manifests_are_paid_by_size)
{
        struct world w;
        struct actor a;
        struct lx_hash account, root;
        struct sigchain_object o;
        uint64_t size, cost;

        world_begin(&w);
        a = actor_born(&w, 1);
        account = actor_account(&w, &a);
        root = world_manifest(&w, 100, "bin", &size);
        w.params.value[SIGCHAIN_FEE_UNIT] = 1;
        o = release_fields(&root, 100, size);
        cost = 2 + (size + 1023) / 1024;
        for (int i = 0; i < 2; i++) {
                struct draft *d = draft_new(&w, &a);

                draft_create_object(d, SIGCHAIN_RELEASE, &o);
                d->tx.fee = cost - 1 + (uint64_t)i;
                d->tx.fee_account = account;
                if (i == 0)
                        draft_refuse(d, LX_ERR_RULE, "fee");
                else
                        draft_accept(d);
        }
        world_end(&w);
}
END_TEST

START_TEST(damaged_state_is_told)
{
        struct world w;
        struct actor a;
        struct draft *d;

        world_begin(&w);
        a = actor_born(&w, 5);
        world_put(&w, SIGCHAIN_KIND_CHAIN, a.genesis.b, 32, "nonsense", 8);
        d = draft_new(&w, &a);
        add_raw(d);
        draft_refuse(d, LX_ERR_CORRUPT, NULL);
        world_end(&w);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {a_second_transaction, the_chain_moves, a_first_transaction,
            the_crypto_register, a_stamp_of_work, a_change_of_password, a_recovery, fees,
            manifests_are_paid_by_size, damaged_state_is_told, NULL};

        return unit_main("sigchain transactions", cases, 60);
}
