/*
 * tests/unit/check_sigchain_token.c - debits and credits: balances, expiry, taking back. Every refusal
 * names its rule, and nothing is made or lost.
 */
#include "config.h"
#include "world.h"

#define FIXED SIGCHAIN_FIXED
#define SYSTEM SIGCHAIN_SYSTEM

static struct world w;
static struct actor a, b;
static struct lx_hash of_a, of_b; /* accounts of the genesis token: 1000 and 500 */

static void
begin(void)
{
        world_begin(&w);
        a = actor_born(&w, 1);
        b = actor_born(&w, 2);
        of_a = actor_account(&w, &a);
        of_b = actor_account(&w, &b);
}

static uint64_t
balance(const struct lx_hash *account)
{
        return world_number(&w, account, "balance");
}

static struct draft *
debit(struct actor *who, struct lx_hash from, struct lx_hash to, uint64_t amount, uint64_t expiry)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_DEBIT};
        struct draft *d = draft_new(&w, who);

        body.u.debit = (struct sigchain_op_debit){from, to, amount, expiry};
        draft_op(d, &body);
        return d;
}

static struct draft *
credit(struct actor *who, struct lx_hash tx, uint8_t op, struct lx_hash account)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CREDIT};
        struct draft *d = draft_new(&w, who);

        body.u.credit = (struct sigchain_op_credit){tx, op, account};
        draft_op(d, &body);
        return d;
}

/* A token of @who's own with one account; addresses in the outputs. */
static void
make_token(
    struct actor *who, uint64_t supply, struct lx_hash *out_token, struct lx_hash *out_account)
{
        struct sigchain_object token = {.count = 0}, account = {.count = 0};
        struct draft *d = draft_new(&w, who);

        *out_token = draft_address(d, SIGCHAIN_TOKEN, 0);
        *out_account = draft_address(d, SIGCHAIN_ACCOUNT, 1);
        field_text(&token, "name", FIXED, "coin");
        field_u64(&token, "decimals", FIXED, 0);
        field_u64(&token, "supply", FIXED, supply);
        field_u64(&token, "balance", SYSTEM, supply);
        field_bytes(&account, "token", SIGCHAIN_ADDRESS, FIXED, out_token->b, 32);
        field_u64(&account, "balance", SYSTEM, 0);
        draft_create_object(d, SIGCHAIN_TOKEN, &token);
        draft_create_object(d, SIGCHAIN_ACCOUNT, &account);
        draft_accept(d);
}

START_TEST(debits_are_refused)
{
        struct lx_hash raw, token, account, crypto;
        struct draft *d;

        begin();
        make_token(&a, 100, &token, &account);
        d = draft_new(&w, &a);
        draft_create(d, SIGCHAIN_RAW, "x", 1);
        raw = draft_address(d, SIGCHAIN_RAW, 0);
        draft_accept(d);
        crypto = actor_crypto(&a);
        draft_refuse(debit(&b, of_a, of_b, 1, 0), LX_ERR_DENIED, "owner");
        draft_refuse(debit(&a, unit_hash(1), of_b, 1, 0), LX_ERR_ABSENT, "register");
        draft_refuse(debit(&a, of_a, unit_hash(1), 1, 0), LX_ERR_ABSENT, "register");
        draft_refuse(debit(&a, raw, of_b, 1, 0), LX_ERR_RULE, "account");
        draft_refuse(debit(&a, of_a, crypto, 1, 0), LX_ERR_RULE, "account");
        draft_refuse(debit(&a, of_a, of_b, 0, 0), LX_ERR_RULE, "amount");
        draft_refuse(debit(&a, of_a, of_a, 1, 0), LX_ERR_RULE, "account");
        draft_refuse(debit(&a, of_a, account, 1, 0), LX_ERR_RULE, "account"); /* another token */
        draft_refuse(debit(&a, of_a, w.token, 1, 0), LX_ERR_RULE, "account"); /* not to the token */
        draft_refuse(debit(&a, of_a, of_b, 1001, 0), LX_ERR_RULE, "balance");
        draft_refuse(debit(&a, of_a, of_b, 1, w.height), LX_ERR_RULE, "debit-expiry");
        draft_accept(debit(&a, of_a, of_b, 1, w.height + 1));
        draft_accept(debit(&a, of_a, of_b, 999, 0));
        ck_assert_uint_eq(balance(&of_a), 0);
        world_end(&w);
}
END_TEST

START_TEST(credits_take_debits_once)
{
        struct lx_hash tx, open;
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_DEBIT};
        uint8_t key[33];
        struct draft *d;

        begin();
        d = debit(&a, of_a, of_b, 300, 0);
        body.u.debit = (struct sigchain_op_debit){of_a, of_b, 50, 0};
        draft_op(d, &body); /* two debits in one transaction: told apart by operation */
        draft_accept(d);
        tx = a.last;
        memcpy(key, tx.b, 32);
        key[32] = 1;
        ck_assert(world_state(&w, SIGCHAIN_KIND_DEBIT, key, 33) != NULL);
        ck_assert_uint_eq(balance(&of_a), 650);
        ck_assert_uint_eq(balance(&of_b), 500);
        open = unit_hash(3);
        draft_refuse(credit(&b, open, 0, of_b), LX_ERR_ABSENT, "credit");
        draft_refuse(credit(&b, tx, 2, of_b), LX_ERR_ABSENT, "credit");
        draft_refuse(credit(&a, tx, 0, of_b), LX_ERR_DENIED, "owner");
        draft_refuse(credit(&a, tx, 0, of_a), LX_ERR_DENIED, "credit"); /* no expiry: not back */
        draft_refuse(credit(&b, tx, 0, actor_crypto(&b)), LX_ERR_RULE, "account");
        draft_refuse(credit(&b, tx, 0, unit_hash(4)), LX_ERR_ABSENT, "register");
        draft_accept(credit(&b, tx, 0, of_b));
        ck_assert_uint_eq(balance(&of_b), 800);
        draft_refuse(credit(&b, tx, 0, of_b), LX_ERR_ABSENT, "credit");
        draft_accept(credit(&b, tx, 1, of_b));
        ck_assert_uint_eq(balance(&of_b), 850);
        ck_assert(world_state(&w, SIGCHAIN_KIND_DEBIT, key, 33) == NULL);
        /* Twice in one transaction neither. */
        draft_accept(debit(&a, of_a, of_b, 10, 0));
        d = credit(&b, a.last, 0, of_b);
        d->tx.op[1] = d->tx.op[0];
        d->tx.op_count = 2;
        draft_refuse(d, LX_ERR_ABSENT, "credit");
        world_end(&w);
}
END_TEST

START_TEST(expired_debits_go_back)
{
        struct lx_hash tx, other;
        struct sigchain_object o = {.count = 0};
        struct draft *d;

        begin();
        d = draft_new(&w, &a);
        other = draft_address(d, SIGCHAIN_ACCOUNT, 0);
        field_bytes(&o, "token", SIGCHAIN_ADDRESS, FIXED, w.token.b, 32);
        field_u64(&o, "balance", SYSTEM, 0);
        draft_create_object(d, SIGCHAIN_ACCOUNT, &o);
        draft_accept(d);
        draft_accept(debit(&a, of_a, of_b, 300, 20));
        tx = a.last;
        w.height = 19;
        draft_refuse(credit(&a, tx, 0, of_a), LX_ERR_DENIED, "credit");
        w.height = 20;
        draft_refuse(
            credit(&a, tx, 0, other), LX_ERR_DENIED, "credit"); /* only where it came from */
        draft_accept(credit(&a, tx, 0, of_a));
        ck_assert_uint_eq(balance(&of_a), 1000);
        draft_refuse(credit(&b, tx, 0, of_b), LX_ERR_ABSENT, "credit");
        /* The receiver may still take it after its expiry, as long as nobody took it back. */
        draft_accept(debit(&a, of_a, of_b, 300, 30));
        tx = a.last;
        w.height = 40;
        draft_accept(credit(&b, tx, 0, of_b));
        ck_assert_uint_eq(balance(&of_b), 800);
        draft_refuse(credit(&a, tx, 0, of_a), LX_ERR_ABSENT, "credit");
        world_end(&w);
}
END_TEST

START_TEST(a_token_sends_its_supply)
{
        struct lx_hash token, account, tx;

        begin();
        make_token(&a, UINT64_MAX, &token, &account);
        draft_refuse(debit(&b, token, account, 1, 0), LX_ERR_DENIED, "owner");
        draft_accept(debit(&a, token, account, UINT64_MAX - 5, 20));
        tx = a.last;
        ck_assert_uint_eq(balance(&token), 5);
        draft_refuse(debit(&a, token, account, 6, 0), LX_ERR_RULE, "balance");
        w.height = 20;
        draft_accept(credit(&a, tx, 0, token)); /* and takes back what nobody took */
        ck_assert_uint_eq(balance(&token), UINT64_MAX);
        draft_accept(debit(&a, token, account, 7, 0));
        draft_accept(credit(&a, a.last, 0, account));
        ck_assert_uint_eq(balance(&account), 7);
        world_end(&w);
}
END_TEST

/* Balances can't wrap, even if a state said nonsense. */
START_TEST(balances_do_not_overflow)
{
        struct lx_hash token, account, tx;
        uint8_t key[33], bytes[112];
        struct sigchain_debit huge = {.amount = UINT64_MAX};
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        begin();
        make_token(&a, 100, &token, &account);
        draft_accept(debit(&a, token, account, 1, 0));
        draft_accept(credit(&a, a.last, 0, account));
        tx = unit_hash(8);
        huge.token = token;
        huge.from = token;
        huge.to = account;
        sigchain_debit_encode(&huge, &wr);
        memcpy(key, tx.b, 32);
        key[32] = 0;
        world_put(&w, SIGCHAIN_KIND_DEBIT, key, 33, bytes, wr.len);
        draft_refuse(credit(&a, tx, 0, account), LX_ERR_RULE, "balance");
        world_end(&w);
}
END_TEST

/* A thousand random debits and credits: what accounts and open debits hold is always the supply. */
START_TEST(nothing_is_made_or_lost)
{
        struct lx_hash tx[64];
        struct lx_hash to[64];
        uint64_t amount[64], open = 0, seed = 4;
        size_t count = 0;

        begin();
        for (int i = 0; i < 1000; i++) {
                bool from_a = unit_random(&seed) % 2 == 0;
                struct actor *who = from_a ? &a : &b;

                if (count < 64 && unit_random(&seed) % 2 == 0) {
                        uint64_t n = unit_random(&seed) % 40;

                        to[count] = from_a ? of_b : of_a;
                        if (draft_apply(debit(who, from_a ? of_a : of_b, to[count], n, 0), NULL) !=
                            LX_OK)
                                continue;
                        tx[count] = who->last;
                        amount[count++] = n;
                        open += n;
                } else if (count > 0) {
                        size_t at = unit_random(&seed) % count;
                        bool to_a = lx_hash_eq(&to[at], &of_a);

                        draft_accept(credit(to_a ? &a : &b, tx[at], 0, to[at]));
                        open -= amount[at];
                        tx[at] = tx[--count];
                        to[at] = to[count];
                        amount[at] = amount[count];
                }
                ck_assert_uint_eq(balance(&of_a) + balance(&of_b) + open, 1500);
        }
        world_end(&w);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {debits_are_refused, credits_take_debits_once,
            expired_debits_go_back, a_token_sends_its_supply, balances_do_not_overflow,
            nothing_is_made_or_lost, NULL};

        return unit_main("sigchain tokens", cases, 60);
}
