/*
 * tests/unit/check_sigchain_register.c - the rules of registers: create of every type, write, append,
 * transfer, claim, revoke; names, releases, EIDs, prefixes, nodes. Every refusal names its rule.
 */
#include "config.h"
#include "world.h"

#include "base/buf.h"
#include "merkle/log.h"
#include "merkle/trie.h"

#define FIXED SIGCHAIN_FIXED
#define MUTABLE SIGCHAIN_MUTABLE
#define SYSTEM SIGCHAIN_SYSTEM

static struct world w;
static struct actor a, b;

static void
begin(void)
{
        world_begin(&w);
        a = actor_born(&w, 1);
        b = actor_born(&w, 2);
}

static void
end(void)
{
        world_end(&w);
}

static struct lx_hash
create(struct actor *who, enum sigchain_type type, const struct sigchain_object *o)
{
        struct draft *d = draft_new(&w, who);
        struct lx_hash address = draft_address(d, type, 0);

        draft_create_object(d, type, o);
        draft_accept(d);
        return address;
}

static void
no_create(struct actor *who, enum sigchain_type type, const struct sigchain_object *o,
    enum lx_err err, const char *rule)
{
        struct draft *d = draft_new(&w, who);

        draft_create_object(d, type, o);
        draft_refuse(d, err, rule);
}

static void
no_write(struct actor *who, const struct lx_hash *address, const struct sigchain_object *o,
    enum lx_err err, const char *rule)
{
        struct draft *d = draft_new(&w, who);

        draft_write(d, address, o);
        draft_refuse(d, err, rule);
}

static void
write_it(struct actor *who, const struct lx_hash *address, const struct sigchain_object *o)
{
        struct draft *d = draft_new(&w, who);

        draft_write(d, address, o);
        draft_accept(d);
}

/* ---- the kinds --------------------------------------------------------------------------------- */

START_TEST(raw_and_readonly)
{
        struct sigchain_op_body write = {.type = SIGCHAIN_OP_WRITE};
        struct sigchain_register reg;
        struct lx_hash raw, fixed;
        struct draft *d;

        begin();
        d = draft_new(&w, &a);
        draft_create(d, SIGCHAIN_RAW, "one", 3);
        draft_create(d, SIGCHAIN_READONLY, "one", 3);
        raw = draft_address(d, SIGCHAIN_RAW, 0);
        fixed = draft_address(d, SIGCHAIN_READONLY, 1);
        draft_accept(d);
        ck_assert(world_register(&w, &raw, &reg));
        ck_assert_int_eq(raw.b[0], SIGCHAIN_RAW);
        ck_assert(reg.type == SIGCHAIN_RAW && lx_hash_eq(&reg.owner, &a.genesis));
        ck_assert(reg.created == 10 && reg.modified == 10 && reg.flags == 0);
        ck_assert(lx_hash_is_zero(&reg.pending));
        ck_assert_mem_eq(reg.data.p, "one", 3);
        w.height = 20;
        write.u.write.address = raw;
        write.u.write.data = LX_SPAN("one", 3);
        d = draft_new(&w, &a);
        draft_op(d, &write);
        draft_refuse(d, LX_ERR_RULE, "no-change");
        write.u.write.data = LX_SPAN("two", 3);
        d = draft_new(&w, &b);
        draft_op(d, &write);
        draft_refuse(d, LX_ERR_DENIED, "owner");
        d = draft_new(&w, &a);
        draft_op(d, &write);
        draft_accept(d);
        ck_assert(world_register(&w, &raw, &reg) && reg.created == 10 && reg.modified == 20);
        ck_assert_mem_eq(reg.data.p, "two", 3);
        write.u.write.address = fixed;
        d = draft_new(&w, &a);
        draft_op(d, &write);
        draft_refuse(d, LX_ERR_RULE, "kind");
        write.u.write.address.b[31] ^= 1;
        d = draft_new(&w, &a);
        draft_op(d, &write);
        draft_refuse(d, LX_ERR_ABSENT, "register");
        end();
}
END_TEST

START_TEST(objects_have_typed_fields)
{
        struct sigchain_object o = {.count = 0}, change = {.count = 0};
        uint8_t big[3000] = {0};
        struct lx_hash address;
        struct draft *d;

        begin();
        field_text(&o, "colour", MUTABLE, "green");
        field_u64(&o, "born", FIXED, 7);
        field_bytes(&o, "blob", SIGCHAIN_BYTES, MUTABLE, "x", 1);
        field_bytes(&o, "more", SIGCHAIN_BYTES, MUTABLE, "x", 1);
        address = create(&a, SIGCHAIN_OBJECT, &o);
        field_text(&change, "colour", MUTABLE, "green");
        no_write(&a, &address, &change, LX_ERR_RULE, "no-change");
        change.count = 0;
        field_text(&change, "colour", MUTABLE, "red");
        no_write(&b, &address, &change, LX_ERR_DENIED, "owner");
        write_it(&a, &address, &change);
        change.count = 0;
        field_u64(&change, "born", FIXED, 8);
        no_write(&a, &address, &change, LX_ERR_RULE, "field-fixed");
        change.count = 0;
        field_u64(&change, "colour", MUTABLE, 8);
        no_write(&a, &address, &change, LX_ERR_RULE, "field-type");
        change.count = 0;
        field_u64(&change, "taste", MUTABLE, 8);
        no_write(&a, &address, &change, LX_ERR_RULE, "field");
        change.count = 0;
        field_bytes(&change, "blob", SIGCHAIN_BYTES, MUTABLE, big, sizeof(big));
        write_it(&a, &address, &change);
        change.count = 0;
        field_bytes(&change, "more", SIGCHAIN_BYTES, MUTABLE, big, 1500);
        no_write(&a, &address, &change, LX_ERR_RULE, "size");
        /* Bytes that are no fields. */
        d = draft_new(&w, &a);
        draft_create(d, SIGCHAIN_OBJECT, "\xff", 1);
        draft_refuse(d, LX_ERR_RANGE, "fields");
        {
                struct sigchain_op_body write = {.type = SIGCHAIN_OP_WRITE};

                write.u.write.address = address;
                write.u.write.data = LX_SPAN("\xff", 1);
                d = draft_new(&w, &a);
                draft_op(d, &write);
                draft_refuse(d, LX_ERR_RANGE, "fields");
        }
        end();
}
END_TEST

START_TEST(types_that_nobody_creates)
{
        static const uint8_t types[] = {0, 5, 0x0f, 0x20, 0xff};
        static const enum sigchain_type reserved[] = {
            SIGCHAIN_INDEX, SIGCHAIN_DELEGATION, SIGCHAIN_OWNERS};
        struct draft *d;

        begin();
        for (size_t i = 0; i < sizeof(types); i++) {
                d = draft_new(&w, &a);
                draft_create(d, (enum sigchain_type)types[i], "x", 1);
                draft_refuse(d, LX_ERR_RULE, "type");
        }
        for (size_t i = 0; i < 3; i++) {
                d = draft_new(&w, &a);
                draft_create(d, reserved[i], "x", 1);
                draft_refuse(d, LX_ERR_RULE, "type");
        }
        end();
}
END_TEST

/* ---- the standards ----------------------------------------------------------------------------- */

/* A valid object of each standard that any chain may make; the data outlives the call. */
static struct sigchain_object
valid(enum sigchain_type type)
{
        static struct lx_hash manifest, none;
        static struct lx_pubkey key;
        static uint8_t eid[16], net[16] = {10, 9};
        static const uint8_t prefix[4] = WORLD_EID_PREFIX;
        struct sigchain_object o = {.count = 0};
        uint64_t size;

        key = world_key(1, 3);
        switch ((int)type) {
        case SIGCHAIN_NAME:
                field_text(&o, "name", FIXED, "station7");
                field_bytes(&o, "target", SIGCHAIN_ADDRESS, MUTABLE, none.b, 32);
                break;
        case SIGCHAIN_NAMESPACE:
                field_text(&o, "name", FIXED, "lab");
                break;
        case SIGCHAIN_TOKEN:
                field_text(&o, "name", FIXED, "coin");
                field_u64(&o, "decimals", FIXED, 18);
                field_u64(&o, "supply", FIXED, 100);
                field_u64(&o, "balance", SYSTEM, 100);
                break;
        case SIGCHAIN_ACCOUNT:
                field_bytes(&o, "token", SIGCHAIN_ADDRESS, FIXED, w.token.b, 32);
                field_u64(&o, "balance", SYSTEM, 0);
                break;
        case SIGCHAIN_RELEASE:
        case SIGCHAIN_APPROVAL:
                manifest = world_manifest(&w, 5, "bin", &size);
                return release_fields(&manifest, 5, size);
        case SIGCHAIN_FILE:
                field_text(&o, "path", FIXED, "notes.txt");
                field_bytes(&o, "root", SIGCHAIN_HASH, MUTABLE, none.b, 32);
                field_u64(&o, "length", MUTABLE, 12);
                break;
        case SIGCHAIN_EID:
                sigchain_eid_derive(world_ops(), prefix, &w.chain_id, 7, &key, eid);
                field_u64(&o, "instance", FIXED, 7);
                field_bytes(&o, "eid", SIGCHAIN_BYTES, FIXED, eid, 16);
                field_bytes(&o, "first_key", SIGCHAIN_BYTES, FIXED, key.b, 32);
                field_bytes(&o, "key", SIGCHAIN_BYTES, MUTABLE, key.b, 32);
                field_bytes(&o, "rlocs", SIGCHAIN_BYTES, MUTABLE, "", 0);
                field_u64(&o, "ttl", MUTABLE, 60);
                field_u64(&o, "sealed", MUTABLE, 1);
                break;
        case SIGCHAIN_PREFIX:
                field_u64(&o, "instance", FIXED, 7);
                field_u64(&o, "family", FIXED, 4);
                field_bytes(&o, "prefix", SIGCHAIN_BYTES, FIXED, net, 16);
                field_u64(&o, "bits", FIXED, 16);
                field_bytes(&o, "eid", SIGCHAIN_ADDRESS, MUTABLE, none.b, 32);
                break;
        case SIGCHAIN_NODE:
                field_bytes(&o, "key", SIGCHAIN_BYTES, FIXED, key.b, 32);
                field_bytes(&o, "rlocs", SIGCHAIN_BYTES, MUTABLE, "", 0);
                field_u64(&o, "roles", SYSTEM, 0);
                break;
        case SIGCHAIN_DEVICE:
                field_bytes(&o, "key", SIGCHAIN_BYTES, MUTABLE, key.b, 32);
                field_u64(&o, "rights", MUTABLE, 3);
                break;
        case SIGCHAIN_VALIDATOR:
                field_bytes(&o, "key", SIGCHAIN_BYTES, FIXED, key.b, 32);
                field_text(&o, "name", FIXED, "v");
                break;
        default:
                ck_abort();
        }
        return o;
}

static const enum sigchain_type STANDARDS[] = {SIGCHAIN_NAME, SIGCHAIN_NAMESPACE, SIGCHAIN_TOKEN,
    SIGCHAIN_ACCOUNT, SIGCHAIN_RELEASE, SIGCHAIN_APPROVAL, SIGCHAIN_FILE, SIGCHAIN_EID,
    SIGCHAIN_PREFIX, SIGCHAIN_NODE, SIGCHAIN_DEVICE, SIGCHAIN_VALIDATOR};

/* Each passes as it is; each field missing, renamed, retyped, with another access, or one too many: no. */
START_TEST(standards_are_schemas)
{
        begin();
        for (size_t s = 0; s < sizeof(STANDARDS) / sizeof(STANDARDS[0]); s++) {
                enum sigchain_type type = STANDARDS[s];
                struct sigchain_object good = valid(type), bad;

                for (size_t i = 0; i < good.count; i++) {
                        bad = good;
                        memmove(&bad.field[i], &bad.field[i + 1],
                            (good.count - i - 1) * sizeof(bad.field[0]));
                        bad.count--;
                        if (bad.count > 0)
                                no_create(&a, type, &bad, LX_ERR_RULE, "schema");
                        bad = good;
                        bad.field[i].name = LX_SPAN("other", 5);
                        no_create(&a, type, &bad, LX_ERR_RULE, "schema");
                        bad = good;
                        bad.field[i].access = (bad.field[i].access + 1) % 3;
                        no_create(&a, type, &bad, LX_ERR_RULE, "schema");
                        bad = good;
                        bad.field[i].type =
                            bad.field[i].type == SIGCHAIN_U64 ? SIGCHAIN_BOOL : SIGCHAIN_U64;
                        no_create(&a, type, &bad, LX_ERR_RULE, "schema");
                        if (sigchain_standard_of(type)->fields[i].len == 0)
                                continue;
                        bad = good;
                        bad.field[i].bytes.len--;
                        no_create(&a, type, &bad, LX_ERR_RULE, "schema");
                }
                bad = good;
                field_u64(&bad, "extra", FIXED, 1);
                no_create(&a, type, &bad, LX_ERR_RULE, "schema");
                (void)create(&a, type, &good);
        }
        end();
}
END_TEST

START_TEST(fixed_lengths_hold_when_written)
{
        struct sigchain_object o = valid(SIGCHAIN_DEVICE), change = {.count = 0};
        struct lx_pubkey key = world_key(1, 4);
        struct lx_hash address;

        begin();
        o = valid(SIGCHAIN_DEVICE);
        address = create(&a, SIGCHAIN_DEVICE, &o);
        field_bytes(&change, "key", SIGCHAIN_BYTES, MUTABLE, key.b, 31);
        no_write(&a, &address, &change, LX_ERR_RULE, "schema");
        change.field[0].bytes.len = 32;
        write_it(&a, &address, &change);
        end();
}
END_TEST

START_TEST(names_are_names)
{
        static const struct {
                const char *name;
                bool ok;
        } rows[] = {{"a", true}, {"station-7", true}, {"", false}, {"-a", false}, {"a-", false},
            {"A", false}, {"a_b", false}, {"a..b", false}, {".a", false}, {"a.", false},
            {"a-.b", false}, {"a.-b", false}, {"\xc3\xa4", false}, {"a b", false},
            {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
            {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false}};
        char name[SIGCHAIN_NAME_MAX + 2];
        struct sigchain_object o;

        begin();
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                o = valid(SIGCHAIN_NAMESPACE);
                o.field[0].bytes = LX_SPAN(rows[i].name, strlen(rows[i].name));
                ck_assert_int_eq(sigchain_name_is_valid(o.field[0].bytes), rows[i].ok);
                if (rows[i].ok)
                        (void)create(&a, SIGCHAIN_NAMESPACE, &o);
                else
                        no_create(&a, SIGCHAIN_NAMESPACE, &o, LX_ERR_RULE, "name");
        }
        for (size_t i = 0; i < sizeof(name); i++)
                name[i] = i % 50 == 49 ? '.' : 'x';
        ck_assert(sigchain_name_is_valid(LX_SPAN(name, 199)));
        name[199] = 'x';
        ck_assert(sigchain_name_is_valid(LX_SPAN(name, 200)));
        ck_assert(!sigchain_name_is_valid(LX_SPAN(name, 201)));
        end();
}
END_TEST

START_TEST(names_belong_to_namespaces)
{
        struct sigchain_object o;
        struct lx_hash address;
        struct sigchain_register reg;

        begin();
        o = valid(SIGCHAIN_NAME);
        (void)create(&a, SIGCHAIN_NAME, &o);
        no_create(&b, SIGCHAIN_NAME, &o, LX_ERR_EXISTS, "taken");
        /* The address is the name's, whoever has it: its absence can be proven. */
        sigchain_address(world_ops(), SIGCHAIN_NAME, "station7", 8, &address);
        ck_assert(world_register(&w, &address, &reg) && lx_hash_eq(&reg.owner, &a.genesis));
        o.field[0].bytes = LX_SPAN("host.lab", 8);
        no_create(&a, SIGCHAIN_NAME, &o, LX_ERR_DENIED, "namespace");
        o = valid(SIGCHAIN_NAMESPACE);
        (void)create(&a, SIGCHAIN_NAMESPACE, &o);
        no_create(&b, SIGCHAIN_NAMESPACE, &o, LX_ERR_EXISTS, "taken");
        o = valid(SIGCHAIN_NAME);
        o.field[0].bytes = LX_SPAN("host.lab", 8);
        no_create(&b, SIGCHAIN_NAME, &o, LX_ERR_DENIED, "namespace");
        (void)create(&a, SIGCHAIN_NAME, &o);
        /* Namespaces nest; owning the inner name's parent counts, not its grandparent. */
        o.field[0].bytes = LX_SPAN("x.sub.lab", 9);
        no_create(&a, SIGCHAIN_NAME, &o, LX_ERR_DENIED, "namespace");
        o = valid(SIGCHAIN_NAMESPACE);
        o.field[0].bytes = LX_SPAN("sub.lab", 7);
        no_create(&b, SIGCHAIN_NAMESPACE, &o, LX_ERR_DENIED, "namespace");
        (void)create(&a, SIGCHAIN_NAMESPACE, &o);
        o = valid(SIGCHAIN_NAME);
        o.field[0].bytes = LX_SPAN("x.sub.lab", 9);
        (void)create(&a, SIGCHAIN_NAME, &o);
        end();
}
END_TEST

START_TEST(tokens_and_accounts_start_right)
{
        struct sigchain_object o;
        struct lx_hash address;

        begin();
        o = valid(SIGCHAIN_TOKEN);
        o.field[1].u64 = 19;
        no_create(&a, SIGCHAIN_TOKEN, &o, LX_ERR_RULE, "token");
        o = valid(SIGCHAIN_TOKEN);
        o.field[3].u64 = 99;
        no_create(&a, SIGCHAIN_TOKEN, &o, LX_ERR_RULE, "token");
        o.field[2].u64 = o.field[3].u64 = 0;
        no_create(&a, SIGCHAIN_TOKEN, &o, LX_ERR_RULE, "token");
        o = valid(SIGCHAIN_ACCOUNT);
        o.field[1].u64 = 1;
        no_create(&a, SIGCHAIN_ACCOUNT, &o, LX_ERR_RULE, "balance");
        o = valid(SIGCHAIN_ACCOUNT);
        address = unit_hash(12);
        o.field[0].bytes.p = address.b;
        no_create(&a, SIGCHAIN_ACCOUNT, &o, LX_ERR_ABSENT, "register");
        address = actor_crypto(&a);
        no_create(&a, SIGCHAIN_ACCOUNT, &o, LX_ERR_RULE, "account");
        end();
}
END_TEST

START_TEST(nodes_start_without_roles)
{
        struct sigchain_object o, change = {.count = 0};
        struct lx_hash address;

        begin();
        o = valid(SIGCHAIN_NODE);
        o.field[2].u64 = 1;
        no_create(&a, SIGCHAIN_NODE, &o, LX_ERR_RULE, "node");
        o.field[2].u64 = 0;
        address = create(&a, SIGCHAIN_NODE, &o);
        field_u64(&change, "roles", SYSTEM, 1);
        no_write(&a, &address, &change, LX_ERR_RULE, "field-fixed");
        end();
}
END_TEST

/* ---- EIDs and prefixes ------------------------------------------------------------------------- */

START_TEST(eids_come_from_their_first_key)
{
        struct sigchain_object o, change = {.count = 0};
        struct lx_hash address;
        struct lx_pubkey key;
        uint8_t canonical[20] = {0, 0, 0, 7};

        begin();
        o = valid(SIGCHAIN_EID);
        key = world_key(1, 4);
        o.field[2].bytes.p = key.b;
        no_create(&a, SIGCHAIN_EID, &o, LX_ERR_RULE, "eid");
        o = valid(SIGCHAIN_EID);
        o.field[0].u64 = 8;
        no_create(&a, SIGCHAIN_EID, &o, LX_ERR_RULE, "eid");
        o = valid(SIGCHAIN_EID);
        o.field[0].u64 =
            (1ull << 32) + 7; /* the same instance in 32 bits: no second address for it */
        no_create(&a, SIGCHAIN_EID, &o, LX_ERR_RULE, "eid");
        o = valid(SIGCHAIN_EID);
        memcpy(canonical + 4, o.field[1].bytes.p, 16);
        (void)create(&a, SIGCHAIN_EID, &o);
        no_create(&b, SIGCHAIN_EID, &o, LX_ERR_EXISTS, "taken");
        sigchain_address(world_ops(), SIGCHAIN_EID, canonical, sizeof(canonical), &address);
        field_bytes(&change, "key", SIGCHAIN_BYTES, MUTABLE, key.b, 32);
        write_it(&a, &address, &change); /* keys rotate, the EID stays */
        change.count = 0;
        field_bytes(&change, "first_key", SIGCHAIN_BYTES, FIXED, key.b, 32);
        no_write(&a, &address, &change, LX_ERR_RULE, "field-fixed");
        end();
}
END_TEST

static struct sigchain_object
prefix(const uint8_t net[16], uint64_t family, uint64_t bits)
{
        struct sigchain_object o = valid(SIGCHAIN_PREFIX);

        o.field[1].u64 = family;
        o.field[2].bytes.p = net;
        o.field[3].u64 = bits;
        return o;
}

START_TEST(prefixes_come_from_their_parents)
{
        static const uint8_t in[16] = {10, 1}, deeper[16] = {10, 1, 2}, out[16] = {11};
        struct sigchain_object o;
        struct lx_hash address, found, root;
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_TRANSFER};
        struct merkle_bits at = {.b = {10, 1, 2, 3}, .len = 32}, match;
        uint8_t key[22] = {0, 0, 0, 7, 4, 10, 1}, trie[5] = {0, 0, 0, 7, 4};
        const struct lx_buf *value;
        struct draft *d;
        bool is;

        begin();
        /* What cannot be a prefix at all. */
        o = prefix(in, 5, 16);
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_RULE, "prefix");
        o = prefix(in, 4, 33);
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_RULE, "prefix");
        o = prefix(in, 6, 129);
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_RULE, "prefix");
        o = prefix(in, 4, 15); /* a bit is set behind it */
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_RULE, "prefix");
        o = prefix(in, 4, 16);
        o.field[0].u64 = 1ull << 32;
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_RULE, "prefix");
        /* Roots come only from genesis: outside of 10.0.0.0/8 of instance 7 there is nothing. */
        o = prefix(out, 4, 16);
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_RULE, "prefix-parent");
        o = prefix(in, 6, 16);
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_RULE, "prefix-parent");
        o = prefix(in, 4, 16);
        o.field[0].u64 = 8;
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_RULE, "prefix-parent");
        /* Children only from the parent's owner. */
        o = prefix(in, 4, 16);
        no_create(&b, SIGCHAIN_PREFIX, &o, LX_ERR_DENIED, "prefix-parent");
        (void)create(&a, SIGCHAIN_PREFIX, &o);
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_EXISTS, "taken");
        key[21] = 16;
        sigchain_address(world_ops(), SIGCHAIN_PREFIX, key, sizeof(key), &address);
        /* Handed on, the new owner makes children and the old one does not. */
        body.u.transfer.address = address;
        body.u.transfer.to = b.genesis;
        d = draft_new(&w, &a);
        draft_op(d, &body);
        draft_accept(d);
        body.type = SIGCHAIN_OP_CLAIM;
        body.u.claim.address = address;
        d = draft_new(&w, &b);
        draft_op(d, &body);
        draft_accept(d);
        o = prefix(deeper, 4, 24);
        no_create(&a, SIGCHAIN_PREFIX, &o, LX_ERR_DENIED, "prefix-parent");
        (void)create(&b, SIGCHAIN_PREFIX, &o);
        /* The trie finds the longest one; its root is state. */
        key[5] = 10, key[6] = 1, key[7] = 2, key[21] = 24;
        sigchain_address(world_ops(), SIGCHAIN_PREFIX, key, sizeof(key), &address);
        value = world_state(&w, SIGCHAIN_KIND_TRIE, trie, sizeof(trie));
        ck_assert(value != NULL && value->len == 32);
        memcpy(root.b, value->p, 32);
        {
                struct merkle_trie_nodes nodes = {.arg = &w};

                nodes.get = world_trie_node;
                ck_assert_int_eq(merkle_trie_match(&nodes, &root, &at, &match, &found, &is), LX_OK);
        }
        ck_assert(is && match.len == 24 && lx_hash_eq(&found, &address));
        end();
}
END_TEST

static void
hand_on(struct actor *from, struct actor *to, const struct lx_hash *address)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_TRANSFER};
        struct draft *d = draft_new(&w, from);

        body.u.transfer.address = *address;
        body.u.transfer.to = to->genesis;
        draft_op(d, &body);
        draft_accept(d);
        body.type = SIGCHAIN_OP_CLAIM;
        body.u.claim.address = *address;
        d = draft_new(&w, to);
        draft_op(d, &body);
        draft_accept(d);
}

static struct draft *
claiming(struct actor *who, const struct lx_hash *address)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CLAIM};
        struct draft *d = draft_new(&w, who);

        body.u.claim.address = *address;
        draft_op(d, &body);
        return d;
}

static struct lx_hash
prefix_address(const uint8_t net[16], uint8_t bits)
{
        uint8_t key[22] = {0, 0, 0, 7, 4};
        struct lx_hash address;

        memcpy(key + 5, net, 16);
        key[21] = bits;
        sigchain_address(world_ops(), SIGCHAIN_PREFIX, key, sizeof(key), &address);
        return address;
}

/* Who delegated a prefix takes it back: whoever has it, however deep, one level after the other. */
START_TEST(delegations_are_taken_back)
{
        static const uint8_t root[16] = {10}, in[16] = {10, 1}, deeper[16] = {10, 1, 2};
        struct sigchain_object o, fields;
        struct lx_hash outer, inner, eid;
        struct sigchain_register reg;
        struct actor c;

        begin();
        c = actor_born(&w, 3);
        outer = prefix_address(in, 16);
        inner = prefix_address(deeper, 24);
        o = prefix(in, 4, 16);
        (void)create(&a, SIGCHAIN_PREFIX, &o);
        hand_on(&a, &b, &outer);
        o = prefix(deeper, 4, 24);
        o.field[4].bytes = LX_SPAN(outer.b, 32); /* bound to something */
        (void)create(&b, SIGCHAIN_PREFIX, &o);
        draft_refuse(claiming(&a, &inner), LX_ERR_DENIED, "claim"); /* the one above it is b's now */
        draft_refuse(claiming(&b, &inner), LX_ERR_DENIED, "claim"); /* b's already */
        hand_on(&b, &c, &inner);
        draft_refuse(claiming(&a, &inner), LX_ERR_DENIED, "claim");
        /* A root has nothing above it; who has a part takes nothing back from who has the whole. */
        inner = prefix_address(root, 8);
        draft_refuse(claiming(&b, &inner), LX_ERR_DENIED, "claim");
        draft_refuse(claiming(&c, &outer), LX_ERR_DENIED, "claim");
        inner = prefix_address(deeper, 24);
        draft_accept(claiming(&a, &outer));
        ck_assert(world_register(&w, &outer, &reg) && lx_hash_eq(&reg.owner, &a.genesis));
        draft_refuse(claiming(&b, &inner), LX_ERR_DENIED, "claim"); /* not b's to take any more */
        draft_accept(claiming(&a, &inner));
        ck_assert(world_register(&w, &inner, &reg) && lx_hash_eq(&reg.owner, &a.genesis) &&
            lx_hash_is_zero(&reg.pending));
        ck_assert_int_eq(sigchain_object_decode(reg.data, &fields), LX_OK);
        ck_assert(sigchain_object_get_hash(&fields, "eid", &eid) && lx_hash_is_zero(&eid));
        ck_assert_uint_eq(fields.field[3].u64, 24);
        end();
}
END_TEST

/* Two prefixes in one transaction: the second stands on the first. */
START_TEST(later_operations_see_earlier_ones)
{
        static const uint8_t in[16] = {10, 1}, deeper[16] = {10, 1, 2};
        struct sigchain_object first, second;
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_WRITE};
        struct sigchain_register reg;
        struct draft *d;

        begin();
        first = prefix(in, 4, 16);
        second = prefix(deeper, 4, 24);
        d = draft_new(&w, &a);
        draft_create_object(d, SIGCHAIN_PREFIX, &first);
        draft_create_object(d, SIGCHAIN_PREFIX, &second);
        draft_create_object(d, SIGCHAIN_PREFIX, &second);
        draft_refuse(d, LX_ERR_EXISTS, "taken");
        d = draft_new(&w, &a);
        draft_create_object(d, SIGCHAIN_PREFIX, &first);
        draft_create_object(d, SIGCHAIN_PREFIX, &second);
        draft_create(d, SIGCHAIN_RAW, "one", 3);
        body.u.write.address = draft_address(d, SIGCHAIN_RAW, 2);
        body.u.write.data = LX_SPAN("two", 3);
        draft_op(d, &body);
        draft_accept(d);
        ck_assert(world_register(&w, &body.u.write.address, &reg));
        ck_assert_mem_eq(reg.data.p, "two", 3);
        end();
}
END_TEST

/* ---- releases ---------------------------------------------------------------------------------- */

START_TEST(releases_name_stored_manifests)
{
        struct sigchain_object o;
        struct lx_hash root, elsewhere = unit_hash(99), address;
        struct sigchain_object change = {.count = 0};
        uint64_t size;
        struct draft *d;

        begin();
        root = world_manifest(&w, 1000, "bin", &size);
        o = release_fields(&elsewhere, 1000, size);
        no_create(&a, SIGCHAIN_RELEASE, &o, LX_ERR_ABSENT, "manifest");
        o = release_fields(&root, 999, size);
        no_create(&a, SIGCHAIN_RELEASE, &o, LX_ERR_RULE, "manifest");
        o = release_fields(&root, 1000, size - 1);
        no_create(&a, SIGCHAIN_APPROVAL, &o, LX_ERR_RULE, "manifest");
        o = release_fields(&root, 1000, size);
        w.params.value[SIGCHAIN_MANIFEST_BYTES] = size - 1;
        no_create(&a, SIGCHAIN_RELEASE, &o, LX_ERR_RULE, "manifest");
        w.params.value[SIGCHAIN_MANIFEST_BYTES] = size;
        w.params.value[SIGCHAIN_INDEX_INSERTS] = 2999;
        no_create(&a, SIGCHAIN_RELEASE, &o, LX_ERR_RULE, "index-inserts");
        w.params.value[SIGCHAIN_INDEX_INSERTS] = 3000;
        /* Thousands of entries are one operation of one transaction. */
        address = create(&a, SIGCHAIN_RELEASE, &o);
        ck_assert_uint_eq(w.index_effects, 1);
        ck_assert_uint_eq(w.index_entries, 1000);
        /* Two in one transaction share the limit; the entries are added without overflow. */
        d = draft_new(&w, &a);
        draft_create_object(d, SIGCHAIN_RELEASE, &o);
        draft_create_object(d, SIGCHAIN_APPROVAL, &o);
        draft_refuse(d, LX_ERR_RULE, "index-inserts");
        o = release_fields(&root, UINT64_MAX / 3 + 1, size);
        no_create(&a, SIGCHAIN_RELEASE, &o, LX_ERR_RULE, "index-inserts");
        o = release_fields(&root, 1000, size);
        (void)create(&b, SIGCHAIN_APPROVAL, &o);
        ck_assert_uint_eq(w.index_effects, 2);
        field_text(&change, "version", FIXED, "2");
        no_write(&a, &address, &change, LX_ERR_RULE, "field-fixed");
        end();
}
END_TEST

START_TEST(the_validators_write_the_index)
{
        struct sigchain_register reg = {.type = SIGCHAIN_INDEX, .created = 10, .modified = 10};
        struct sigchain_object o = {.count = 0}, change = {.count = 0};
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_TRANSFER};
        struct lx_hash address, root = unit_hash(1);
        uint8_t data[256], bytes[512];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));
        struct draft *d;

        begin();
        field_bytes(&o, "root", SIGCHAIN_HASH, SYSTEM, root.b, 32);
        field_u64(&o, "version", SYSTEM, 10);
        field_u64(&o, "count", SYSTEM, 3);
        sigchain_object_encode(&o, &wr);
        reg.owner = a.genesis;
        reg.data = LX_SPAN(data, wr.len);
        wr = lx_writer_init(bytes, sizeof(bytes));
        sigchain_register_encode(&reg, &wr);
        sigchain_address(world_ops(), SIGCHAIN_INDEX, a.genesis.b, 32, &address);
        world_put(&w, SIGCHAIN_KIND_REGISTER, address.b, 32, bytes, wr.len);
        field_u64(&change, "count", SYSTEM, 4);
        no_write(&a, &address, &change, LX_ERR_RULE, "field-fixed");
        body.u.transfer.address = address;
        body.u.transfer.to = b.genesis;
        d = draft_new(&w, &a);
        draft_op(d, &body);
        draft_refuse(d, LX_ERR_RULE, "transfer");
        end();
}
END_TEST

START_TEST(revocations)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_REVOKE};
        uint8_t key[64];
        const struct lx_buf *value;
        struct draft *d;

        begin();
        w.height = 33;
        body.u.revoke.digest = unit_hash(5);
        d = draft_new(&w, &a);
        draft_op(d, &body);
        draft_accept(d);
        memcpy(key, a.genesis.b, 32);
        memcpy(key + 32, body.u.revoke.digest.b, 32);
        value = world_state(&w, SIGCHAIN_KIND_REVOKED, key, sizeof(key));
        ck_assert(value != NULL && value->len == 8 && lx_get_be64(value->p) == 33);
        d = draft_new(&w, &a);
        draft_op(d, &body);
        draft_refuse(d, LX_ERR_EXISTS, "taken");
        d = draft_new(&w, &b); /* of its own releases: another publisher's are another matter */
        draft_op(d, &body);
        draft_accept(d);
        end();
}
END_TEST

/* ---- append ------------------------------------------------------------------------------------ */

static void
append(struct actor *who, const struct lx_hash *address, unsigned count, uint64_t from,
    struct lx_hash *leaves, enum lx_err err, const char *rule)
{
        static char text[SIGCHAIN_ENTRIES_MAX][24];
        struct sigchain_op_body *body = lx_alloc(sizeof(*body));
        struct draft *d = draft_new(&w, who);

        body->type = SIGCHAIN_OP_APPEND;
        body->u.append.address = *address;
        body->u.append.count = count;
        for (unsigned i = 0; i < count; i++) {
                snprintf(text[i], sizeof(text[i]), "entry %llu", (unsigned long long)(from + i));
                body->u.append.entry[i] = LX_SPAN(text[i], strlen(text[i]));
                if (leaves != NULL)
                        merkle_log_leaf(world_ops(), text[i], strlen(text[i]), &leaves[from + i]);
        }
        draft_op(d, body);
        if (err == LX_OK)
                draft_accept(d);
        else
                draft_refuse(d, err, rule);
        lx_free(body);
}

START_TEST(append_registers_grow)
{
        struct lx_hash address, raw, root, *leaves = lx_alloc_array(1000, sizeof(*leaves));
        struct sigchain_append state;
        struct sigchain_register reg;
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_WRITE};
        struct draft *d;
        uint64_t total = 0;

        begin();
        d = draft_new(&w, &a);
        draft_create(d, SIGCHAIN_APPEND, "x", 1);
        draft_refuse(d, LX_ERR_RULE, "append");
        d = draft_new(&w, &a);
        draft_create(d, SIGCHAIN_APPEND, NULL, 0);
        draft_create(d, SIGCHAIN_RAW, "x", 1);
        address = draft_address(d, SIGCHAIN_APPEND, 0);
        raw = draft_address(d, SIGCHAIN_RAW, 1);
        draft_accept(d);
        ck_assert(world_register(&w, &address, &reg));
        ck_assert_int_eq(sigchain_append_decode(reg.data, &state), LX_OK);
        merkle_log_empty_root(world_ops(), &root);
        ck_assert(state.count == 0 && lx_hash_eq(&state.root, &root));
        append(&b, &address, 1, 0, NULL, LX_ERR_DENIED, "owner");
        append(&a, &raw, 1, 0, NULL, LX_ERR_RULE, "kind");
        for (unsigned n = 1; total + n <= 1000 && n <= SIGCHAIN_ENTRIES_MAX; n += 7) {
                append(&a, &address, n, total, leaves, LX_OK, NULL);
                total += n;
                merkle_log_root(world_ops(), leaves, total, &root);
                ck_assert(world_register(&w, &address, &reg));
                ck_assert_int_eq(sigchain_append_decode(reg.data, &state), LX_OK);
                ck_assert_uint_eq(state.count, total);
                ck_assert(lx_hash_eq(&state.root, &root));
                ck_assert_uint_eq(lx_map_count(w.entries), total);
        }
        body.u.write.address = address;
        body.u.write.data = LX_SPAN("x", 1);
        d = draft_new(&w, &a);
        draft_op(d, &body);
        draft_refuse(d, LX_ERR_RULE, "kind");
        /* A store that lost a node of the log is damaged, not empty. */
        world_lose_nodes(&w);
        append(&a, &address, 1, 0, NULL, LX_ERR_CORRUPT, NULL);
        lx_free(leaves);
        end();
}
END_TEST

/* ---- transfer and claim ------------------------------------------------------------------------ */

static void
transfer(struct actor *who, const struct lx_hash *address, struct lx_hash to, enum lx_err err,
    const char *rule)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_TRANSFER};
        struct draft *d = draft_new(&w, who);

        body.u.transfer.address = *address;
        body.u.transfer.to = to;
        draft_op(d, &body);
        if (err == LX_OK)
                draft_accept(d);
        else
                draft_refuse(d, err, rule);
}

static void
claim(struct actor *who, const struct lx_hash *address, enum lx_err err, const char *rule)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CLAIM};
        struct draft *d = draft_new(&w, who);

        body.u.claim.address = *address;
        draft_op(d, &body);
        if (err == LX_OK)
                draft_accept(d);
        else
                draft_refuse(d, err, rule);
}

START_TEST(registers_change_hands)
{
        const struct lx_hash nobody = {{0}};
        struct sigchain_object o;
        struct sigchain_register reg;
        struct lx_hash address, absent = unit_hash(1), crypto;
        struct actor c;

        begin();
        c = actor_born(&w, 3);
        o = valid(SIGCHAIN_FILE);
        address = create(&a, SIGCHAIN_FILE, &o);
        crypto = actor_crypto(&a);
        transfer(&a, &absent, b.genesis, LX_ERR_ABSENT, "register");
        transfer(&b, &address, c.genesis, LX_ERR_DENIED, "owner");
        transfer(&a, &crypto, b.genesis, LX_ERR_RULE, "transfer");
        transfer(&a, &address, a.genesis, LX_ERR_RULE, "transfer");
        transfer(&a, &address, nobody, LX_ERR_RULE, "no-change");
        claim(&b, &address, LX_ERR_DENIED, "claim");
        claim(&b, &absent, LX_ERR_ABSENT, "register");
        transfer(&a, &address, b.genesis, LX_OK, NULL);
        transfer(&a, &address, b.genesis, LX_ERR_RULE, "no-change");
        claim(&c, &address, LX_ERR_DENIED, "claim");
        ck_assert(world_register(&w, &address, &reg) && lx_hash_eq(&reg.owner, &a.genesis));
        transfer(&a, &address, nobody, LX_OK, NULL); /* taken back */
        claim(&b, &address, LX_ERR_DENIED, "claim");
        transfer(&a, &address, b.genesis, LX_OK, NULL);
        claim(&b, &address, LX_OK, NULL);
        ck_assert(world_register(&w, &address, &reg) && lx_hash_eq(&reg.owner, &b.genesis));
        ck_assert(lx_hash_is_zero(&reg.pending));
        claim(&b, &address, LX_ERR_DENIED, "claim");
        transfer(&a, &address, c.genesis, LX_ERR_DENIED, "owner");
        end();
}
END_TEST

START_TEST(damaged_registers_are_told)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_WRITE};
        struct lx_hash address = unit_hash(1);
        struct draft *d;

        begin();
        address.b[0] = SIGCHAIN_RAW;
        world_put(&w, SIGCHAIN_KIND_REGISTER, address.b, 32, "nonsense", 8);
        body.u.write.address = address;
        d = draft_new(&w, &a);
        draft_op(d, &body);
        draft_refuse(d, LX_ERR_CORRUPT, NULL);
        end();
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {raw_and_readonly, objects_have_typed_fields,
            types_that_nobody_creates, standards_are_schemas, fixed_lengths_hold_when_written,
            names_are_names, names_belong_to_namespaces, tokens_and_accounts_start_right,
            nodes_start_without_roles, eids_come_from_their_first_key,
            prefixes_come_from_their_parents, delegations_are_taken_back, later_operations_see_earlier_ones,
            releases_name_stored_manifests, the_validators_write_the_index, revocations,
            append_registers_grow, registers_change_hands, damaged_registers_are_told, NULL};

        return unit_main("sigchain registers", cases, 60);
}
