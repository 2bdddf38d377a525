/*
 * tests/unit/check_sigchain_update.c - what validators sign: their set, parameters, nodes; and the
 * state that genesis makes. Every refusal names its rule.
 */
#include "config.h"
#include "world.h"

#include "base/buf.h"

static struct world w;
static struct actor a, b;

static void
begin(void)
{
        world_begin(&w);
        a = actor_born(&w, 1);
        b = actor_born(&w, 2);
}

static struct draft *
update(
    enum sigchain_op_type type, uint64_t expiry, struct lx_span what, unsigned signers, bool flip)
{
        struct draft *d = draft_new(&w, &a);

        draft_update(d, type, expiry, what.p, what.len, signers, flip);
        return d;
}

/* One parameter's new value. */
static struct lx_span
param(unsigned id, uint64_t value)
{
        static uint8_t bytes[12];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        lx_write_u16(&wr, 1);
        lx_write_u16(&wr, (uint16_t)id);
        lx_write_u64(&wr, value);
        return LX_SPAN(bytes, wr.len);
}

static uint64_t
value_of(unsigned id)
{
        const struct lx_buf *bytes = world_state(&w, SIGCHAIN_KIND_PARAMS, NULL, 0);
        struct sigchain_params params;

        ck_assert_int_eq(sigchain_params_decode(bytes->p, bytes->len, &params), LX_OK);
        return params.value[id];
}

START_TEST(validators_follow_validators)
{
        struct lx_buf three = {0}, four = {0};
        struct lx_span what, junk = LX_SPAN("\0\1", 2);
        struct draft *d;

        begin();
        world_set(&w, 3, &three);
        world_set(&w, 4, &four);
        what = lx_buf_span(&three);
        draft_refuse(
            update(SIGCHAIN_OP_VALIDATOR_UPDATE, 9, what, 4, false), LX_ERR_EXPIRED, "expiry");
        draft_refuse(
            update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 2, false), LX_ERR_RULE, "certificate");
        draft_refuse(
            update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 0, false), LX_ERR_RULE, "certificate");
        draft_refuse(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 4, true), LX_ERR_SIGNATURE,
            "certificate");
        d = update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 3, false);
        d->tx.op[0].body.len--;
        draft_refuse(d, LX_ERR_TRUNCATED, "certificate");
        d = update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 3, false);
        lx_buf_append(&d->body[0], "x", 1);
        d->tx.op[0].body = lx_buf_span(&d->body[0]);
        draft_refuse(d, LX_ERR_TRAILING, "certificate");
        /* Signed for another expiry, another type, another network: not this. */
        d = update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 3, false);
        d->body[0].p[7]++;
        draft_refuse(d, LX_ERR_SIGNATURE, "certificate");
        d = update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 3, false);
        d->tx.op[0].type = SIGCHAIN_OP_PARAMETER_UPDATE;
        draft_refuse(d, LX_ERR_SIGNATURE, "certificate");
        d = draft_new(&w, &a);
        w.chain_id.b[0] ^= 1;
        draft_update(d, SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what.p, what.len, 3, false);
        w.chain_id.b[0] ^= 1;
        draft_refuse(d, LX_ERR_SIGNATURE, "certificate");
        draft_refuse(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, junk, 3, false), LX_ERR_TRUNCATED,
            "validators");
        /* Up to the last height of its expiry; then the new set is state. */
        draft_accept(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 10, what, 3, false));
        ck_assert_mem_eq(world_state(&w, SIGCHAIN_KIND_VALSET, NULL, 0)->p, three.p, three.len);
        /* All three: two are not more than two thirds. Bound to the set in force. */
        what = lx_buf_span(&four);
        draft_refuse(
            update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 2, false), LX_ERR_RULE, "certificate");
        draft_accept(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, what, 3, false));
        lx_buf_clear(&three);
        lx_buf_clear(&four);
        world_end(&w);
}
END_TEST

/* Back and forth between two sets, nobody can replay an old signature within its expiry. */
START_TEST(an_update_works_once)
{
        struct lx_buf three = {0}, four = {0};

        begin();
        world_set(&w, 3, &three);
        world_set(&w, 4, &four);
        draft_accept(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, lx_buf_span(&three), 4, false));
        draft_accept(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, lx_buf_span(&four), 3, false));
        draft_refuse(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, lx_buf_span(&three), 4, false),
            LX_ERR_EXISTS, "taken");
        draft_accept(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 51, lx_buf_span(&three), 4, false));
        draft_accept(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 51, lx_buf_span(&four), 3, false));
        draft_accept(
            update(SIGCHAIN_OP_PARAMETER_UPDATE, 50, param(SIGCHAIN_FEE_UNIT, 5), 4, false));
        draft_accept(
            update(SIGCHAIN_OP_PARAMETER_UPDATE, 50, param(SIGCHAIN_FEE_UNIT, 0), 4, false));
        draft_refuse(
            update(SIGCHAIN_OP_PARAMETER_UPDATE, 50, param(SIGCHAIN_FEE_UNIT, 5), 4, false),
            LX_ERR_EXISTS, "taken");
        lx_buf_clear(&three);
        lx_buf_clear(&four);
        world_end(&w);
}
END_TEST

/* A key that evidence convicted is in no later set. */
START_TEST(convicted_keys_stay_out)
{
        struct lx_buf three = {0};
        uint8_t height[8] = {0};

        begin();
        world_set(&w, 3, &three);
        world_put(&w, SIGCHAIN_KIND_CONVICTED, w.set.v[2].key.b, 32, height, sizeof(height));
        draft_refuse(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, lx_buf_span(&three), 4, false),
            LX_ERR_RULE, "validators");
        three.len = 0;
        world_set(&w, 2, &three);
        draft_accept(update(SIGCHAIN_OP_VALIDATOR_UPDATE, 50, lx_buf_span(&three), 4, false));
        lx_buf_clear(&three);
        world_end(&w);
}
END_TEST

/* Evidence is the ledger's own business: as a transaction of a chain it is refused. */
START_TEST(evidence_belongs_to_no_chain)
{
        struct draft *d;

        begin();
        d = draft_new(&w, &a);
        d->tx.version = SIGCHAIN_TX_EVIDENCE;
        d->tx.evidence = LX_SPAN("x", 1);
        draft_refuse(d, LX_ERR_RULE, "evidence");
        world_end(&w);
}
END_TEST

START_TEST(parameters_change_by_certificate)
{
        static const struct {
                unsigned id;
                uint64_t value;
                enum lx_err err;
                const char *rule;
        } rows[] = {
            {0, 1, LX_ERR_FORMAT, "parameters"},
            {SIGCHAIN_PARAM_COUNT_, 1, LX_ERR_FORMAT, "parameters"},
            {SIGCHAIN_BLOCK_BYTES, 1, LX_ERR_RANGE, "parameters"},
            {SIGCHAIN_BLOCK_BYTES, 1ull << 40, LX_ERR_RANGE, "parameters"},
            {SIGCHAIN_TRUST_DAYS, 401, LX_ERR_RULE, "parameters"},
            {SIGCHAIN_KDF_NAME_MEM, 131072, LX_ERR_RULE, "parameters"},
            {SIGCHAIN_KDF_NAME_PASSES, 4, LX_ERR_RULE, "parameters"},
            {SIGCHAIN_RULE_VERSION, 2, LX_OK, NULL},
            {SIGCHAIN_RULE_VERSION, 1, LX_ERR_RULE, "rule-version"},
            {SIGCHAIN_INDEX_INSERTS, 65537, LX_ERR_RANGE, "parameters"},
            {SIGCHAIN_BLOCK_OPS, 100, LX_OK, NULL},
            {SIGCHAIN_FEE_UNIT, 0, LX_OK, NULL},
        };

        begin();
        draft_refuse(
            update(SIGCHAIN_OP_PARAMETER_UPDATE, 50, param(SIGCHAIN_BLOCK_OPS, 200), 2, false),
            LX_ERR_RULE, "certificate");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct draft *d = update(
                    SIGCHAIN_OP_PARAMETER_UPDATE, 50, param(rows[i].id, rows[i].value), 3, false);

                if (rows[i].err != LX_OK) {
                        draft_refuse(d, rows[i].err, rows[i].rule);
                        continue;
                }
                draft_accept(d);
                ck_assert_uint_eq(value_of(rows[i].id), rows[i].value);
        }
        /* What was not named kept its value. */
        ck_assert_uint_eq(value_of(SIGCHAIN_RULE_VERSION), 2);
        ck_assert_uint_eq(value_of(SIGCHAIN_BLOCK_OPS), 100);
        ck_assert_uint_eq(value_of(SIGCHAIN_BLOCK_BYTES), 8u << 20);
        world_end(&w);
}
END_TEST

static struct lx_span
admission(const struct lx_hash *address, uint64_t roles)
{
        static uint8_t bytes[40];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        lx_write_hash(&wr, address);
        lx_write_u64(&wr, roles);
        return LX_SPAN(bytes, wr.len);
}

static void
hand_over(struct actor *who, enum sigchain_op_type type, struct lx_hash address, struct lx_hash to,
    enum lx_err err, const char *rule)
{
        struct sigchain_op_body body = {.type = type};
        struct draft *d = draft_new(&w, who);

        body.u.transfer = (struct sigchain_op_transfer){address, to};
        draft_op(d, &body);
        if (err == LX_OK)
                draft_accept(d);
        else
                draft_refuse(d, err, rule);
}

START_TEST(nodes_are_admitted_by_certificate)
{
        struct sigchain_object o = {.count = 0};
        struct lx_pubkey key = world_key(1, 3);
        struct lx_hash node, raw, nobody = {{0}};
        struct draft *d;

        begin();
        field_bytes(&o, "key", SIGCHAIN_BYTES, SIGCHAIN_FIXED, key.b, 32);
        field_bytes(&o, "rlocs", SIGCHAIN_BYTES, SIGCHAIN_MUTABLE, "", 0);
        field_u64(&o, "roles", SIGCHAIN_SYSTEM, 0);
        d = draft_new(&w, &b);
        node = draft_address(d, SIGCHAIN_NODE, 0);
        raw = draft_address(d, SIGCHAIN_RAW, 1);
        draft_create_object(d, SIGCHAIN_NODE, &o);
        draft_create(d, SIGCHAIN_RAW, "x", 1);
        draft_accept(d);
        hand_over(&b, SIGCHAIN_OP_TRANSFER, node, a.genesis, LX_OK, NULL);
        draft_refuse(update(SIGCHAIN_OP_NODE_ADMIT, 50, admission(&node, 3), 2, false), LX_ERR_RULE,
            "certificate");
        draft_refuse(update(SIGCHAIN_OP_NODE_ADMIT, 50, LX_SPAN(node.b, 32), 3, false),
            LX_ERR_TRUNCATED, "node");
        draft_refuse(
            update(SIGCHAIN_OP_NODE_ADMIT, 50, admission(&raw, 3), 3, false), LX_ERR_RULE, "node");
        draft_refuse(update(SIGCHAIN_OP_NODE_ADMIT, 50, admission(&nobody, 3), 3, false),
            LX_ERR_ABSENT, "register");
        draft_accept(update(SIGCHAIN_OP_NODE_ADMIT, 50, admission(&node, 3), 3, false));
        ck_assert_uint_eq(world_number(&w, &node, "roles"), 3);
        /* Admitted for its owner: the offer fell, and no other can be made. */
        hand_over(&a, SIGCHAIN_OP_CLAIM, node, a.genesis, LX_ERR_DENIED, "claim");
        hand_over(&b, SIGCHAIN_OP_TRANSFER, node, a.genesis, LX_ERR_RULE, "transfer");
        draft_accept(update(SIGCHAIN_OP_NODE_ADMIT, 50, admission(&node, 0), 3, false));
        ck_assert_uint_eq(world_number(&w, &node, "roles"), 0);
        hand_over(&b, SIGCHAIN_OP_TRANSFER, node, a.genesis, LX_OK, NULL);
        world_end(&w);
}
END_TEST

/* ---- genesis ----------------------------------------------------------------------------------- */

START_TEST(genesis_makes_the_first_state)
{
        struct lx_hash root;
        struct sigchain_register reg;
        const uint8_t key[22] = {0, 0, 0, 7, 4, 10, [21] = 8};
        struct lx_hash account;

        begin();
        account = actor_account(&w, &a);
        ck_assert_uint_eq(world_number(&w, &account, "balance"), 1000);
        ck_assert_uint_eq(world_number(&w, &w.token, "supply"), 1500);
        ck_assert_uint_eq(world_number(&w, &w.token, "balance"), 0);
        ck_assert(world_register(&w, &w.token, &reg) && lx_hash_is_zero(&reg.owner));
        sigchain_address(world_ops(), SIGCHAIN_PREFIX, key, sizeof(key), &root);
        ck_assert(world_register(&w, &root, &reg) && lx_hash_eq(&reg.owner, &a.genesis));
        ck_assert_uint_eq(value_of(SIGCHAIN_BLOCK_OPS), 20000);
        world_end(&w);
}
END_TEST

static void
drop(void *arg, const struct sigchain_effect *effect)
{
        (void)arg, (void)effect;
}

START_TEST(genesis_with_a_bad_prefix_is_refused)
{
        struct sigchain_sink sink = {drop, NULL};
        struct lx_why why = {{0}};

        begin();
        w.genesis.root[0].bits = 3; /* 10.0.0.0/3: bits are set behind it */
        ck_assert_int_eq(
            sigchain_apply_genesis(lx_crypto_ops(), &w.chain_id, &w.genesis, &sink, &why),
            LX_ERR_RULE);
        ck_assert(strncmp(why.text, "rule prefix:", 12) == 0);
        world_end(&w);
}
END_TEST

START_TEST(thirds_are_exact)
{
        ck_assert(!sigchain_is_two_thirds(2, 3) && sigchain_is_two_thirds(3, 3));
        ck_assert(!sigchain_is_two_thirds(4, 6) && sigchain_is_two_thirds(5, 7));
        ck_assert(!sigchain_is_two_thirds(0, 1) && sigchain_is_two_thirds(1, 1));
        ck_assert(!sigchain_is_one_third(1, 3) && sigchain_is_one_third(2, 3));
        ck_assert(sigchain_is_one_third(2, 5) && !sigchain_is_one_third(2, 6));
        ck_assert(sigchain_is_two_thirds(SIGCHAIN_VALIDATORS_MAX * SIGCHAIN_POWER_MAX,
            SIGCHAIN_VALIDATORS_MAX * SIGCHAIN_POWER_MAX));
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {validators_follow_validators, an_update_works_once,
            convicted_keys_stay_out, evidence_belongs_to_no_chain, parameters_change_by_certificate,
            nodes_are_admitted_by_certificate, genesis_makes_the_first_state,
            genesis_with_a_bad_prefix_is_refused, thirds_are_exact, NULL};

        return unit_main("sigchain updates", cases, 60);
}
