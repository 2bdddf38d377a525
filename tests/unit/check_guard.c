/*
 * The guard's rules: policy file, kinds of files, verdicts, the list, the lease table, maps; and the
 * machine that follows a publisher's chain, on a ledger of one validator made up here.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "guard/code.h"
#include "guard/inodes.h"
#include "guard/maps.h"
#include "guard/verdict.h"
#include "guard/view.h"
#include "ledger/cert.h"
#include "merkle/proof.h"
#include "sigchain/object.h"
#include "sigchain/op.h"
#include "sigchain/standard.h"
#include "sigchain/tx.h"

#include "unit.h"

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static struct guard_policy *
policy_of(const char *text)
{
        struct guard_policy *policy = NULL;
        struct lx_why why = {{0}};

        ck_assert_msg(guard_policy_parse(LX_SPAN(text, strlen(text)), "test", &policy, &why) == LX_OK, "%s", why.text);
        return policy;
}

/* ---- policy ------------------------------------------------------------------------------------ */

#define ID_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define ID_B "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const char FULL[] =
    "# all of it\nmode = enforce\npublisher = " ID_A " debian\napprovals = " ID_B "\n"
    "exception = /opt/game/ until=2026-12-31\nexception = " ID_A " until=2027-02-28T23:59 # why\n"
    "interpreter = /usr/bin/python3.11 inline=c value=WX suffix=.py suffix=.pyc\n"
    "scope-mount = /mnt/x\nscope-cgroup = /jail/\nreader = /usr/bin/cp\n"
    "untrusted-fs = fuse\nunknown-process = log\nmax-age = 10\nstale = deny\nmin-age = 5\nconfirm = 2\n"
    "critical = /usr/lib/libc.so.6\nworkers = 2\nverdict-timeout = 100\nleases = 16\nmemory = kill\n"
    "memory-interval = 5\nmemory-cpu = 50\njit = /usr/bin/node\n"
    "protect = /etc/\nprotect-action = deny\nprotect-interval = 60\n"
    "panic-anywhere = yes\nlog-file = /l\nnode = /n\ntrust = /t\nstate-dir = /s\nsocket = /c\n";

START_TEST(policy_reads_every_row)
{
        struct guard_policy *policy = policy_of(FULL), *again;
        struct lx_buf text = {0}, twice = {0};

        for (const struct guard_row *row = guard_policy_rows(); row->name != NULL; row++)
                ck_assert_msg(strstr(FULL, row->name) != NULL, "%s is not tested", row->name);
        ck_assert_int_eq(policy->mode, GUARD_ENFORCE);
        ck_assert_int_eq(policy->protect_action, GUARD_PROTECT_DENY);
        ck_assert_int_eq((int)policy->publisher_count, 2);
        ck_assert(policy->publisher[1].own && !policy->publisher[0].own);
        ck_assert_str_eq(policy->publisher[0].name, "debian");
        ck_assert(policy->exception[0].until_ms == 1798675200000ull);
        ck_assert(policy->exception[1].until_ms == 1803859140000ull);
        ck_assert_str_eq(policy->interpreter[0].suffix[1], ".pyc");
        guard_policy_print(policy, &text);
        again = policy_of(lx_buf_str(&text));
        guard_policy_print(again, &twice);
        ck_assert_str_eq(lx_buf_str(&text), lx_buf_str(&twice));
        lx_buf_clear(&text);
        lx_buf_clear(&twice);
        guard_policy_free(policy);
        guard_policy_free(again);
}
END_TEST

START_TEST(policy_refuses_what_it_does_not_understand)
{
        static const char *const bad[] = {"mode = maybe", "mode", "modus = audit", "publisher = 12", "publisher =",
            "publisher = " ID_A " a b", "publisher = " ID_A "\npublisher = " ID_A, "exception = /x",
            "exception = /x until=tomorrow", "exception = /x until=2026-13-01", "exception = rel until=2026-01-01",
            "interpreter = python", "interpreter = /p inline=", "interpreter = /p suffix=py", "confirm = 0", "confirm = 257", "workers = 65", "workers = -1", "workers = 1x",
            "verdict-timeout = 9", "memory-cpu = 101", "panic-anywhere = 1", "scope-mount = relative",
            "max-age = 99999999999999999999999"};
        struct guard_policy *policy = NULL;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct lx_why why = {{0}};

                ck_assert_msg(guard_policy_parse(LX_SPAN(bad[i], strlen(bad[i])), "f", &policy, &why) == LX_ERR_USAGE,
                    "taken: %s", bad[i]);
                ck_assert_msg(why.text[0] != '\0', "no reason: %s", bad[i]);
        }
}
END_TEST

/* ---- files ------------------------------------------------------------------------------------- */

START_TEST(code_is_told_from_data)
{
        uint8_t elf[64] = "\177ELF\2\1\1";
        const char cmd[] = "python3\0-bW\0ignore\0x.py\0-c\0y";

        elf[16] = 3;
        ck_assert_int_eq(guard_code_of(LX_SPAN(elf, 64)), GUARD_CODE_ELF);
        elf[16] = 2;
        ck_assert_int_eq(guard_code_of(LX_SPAN(elf, 18)), GUARD_CODE_ELF);
        ck_assert_int_eq(guard_code_of(LX_SPAN(elf, 17)), GUARD_CODE_DATA);
        elf[16] = 1; /* relocatable */
        ck_assert_int_eq(guard_code_of(LX_SPAN(elf, 64)), GUARD_CODE_DATA);
        elf[5] = 9;
        ck_assert_int_eq(guard_code_of(LX_SPAN(elf, 64)), GUARD_CODE_ELF);
        elf[5] = 2;
        elf[16] = 0, elf[17] = 3;
        ck_assert_int_eq(guard_code_of(LX_SPAN(elf, 64)), GUARD_CODE_ELF);
        ck_assert_int_eq(guard_code_of(LX_SPAN("#!x", 3)), GUARD_CODE_SCRIPT);
        ck_assert_int_eq(guard_code_of(LX_SPAN("", 0)), GUARD_CODE_DATA);
        ck_assert_int_eq(guard_args_of(LX_SPAN(cmd, sizeof(cmd)), "c", "WX"), GUARD_ARGS_SCRIPT);
}
END_TEST

START_TEST(arguments_of_interpreters)
{
        static const struct {
                const char *words;
                enum guard_args is;
        } cases[] = {{"sh|x.sh|-c", GUARD_ARGS_SCRIPT}, {"sh|-c|id", GUARD_ARGS_INLINE}, {"sh|-xc|id", GUARD_ARGS_INLINE},
            {"sh", GUARD_ARGS_STDIN}, {"sh|-x", GUARD_ARGS_STDIN}, {"sh|-", GUARD_ARGS_STDIN}, {"sh|--", GUARD_ARGS_STDIN},
            {"sh|--|-c", GUARD_ARGS_SCRIPT}, {"p|-W|ignore|-c|1", GUARD_ARGS_INLINE}, {"p|-Wignore|-c|1", GUARD_ARGS_INLINE},
            {"p|-W|-c|x.py", GUARD_ARGS_SCRIPT}, {"p|-m|http.server", GUARD_ARGS_SCRIPT}, {"node|--eval=1", GUARD_ARGS_INLINE},
            {"p|-bW|ignore|-c|1", GUARD_ARGS_INLINE}, {"sh|-e|x.sh", GUARD_ARGS_SCRIPT},
            {"sh|+e|-c|id", GUARD_ARGS_INLINE}, {"sh|+W|-c|x.sh", GUARD_ARGS_SCRIPT}, {"sh|-m|-c|id", GUARD_ARGS_INLINE},
            {"sh|-m", GUARD_ARGS_STDIN}, {"p|--check-hash-based-pycs|always|-c|1", GUARD_ARGS_INLINE},
            {"p|--check-hash-based-pycs|always", GUARD_ARGS_STDIN}, {"sh|--rcfile|/x|-c|id", GUARD_ARGS_INLINE},
            {"p|--unknown|x|-c|1", GUARD_ARGS_INLINE}, {"p|--unknown|x.py", GUARD_ARGS_SCRIPT},
            {"p|--unknown=x|x.py|-c", GUARD_ARGS_SCRIPT}, {"p|--unknown|a|x.py|-c", GUARD_ARGS_SCRIPT},
            {"p|/dev/stdin", GUARD_ARGS_STDIN}, {"p|/dev/fd/0", GUARD_ARGS_STDIN}, {"p|--|-", GUARD_ARGS_STDIN},
            {"p||-c", GUARD_ARGS_SCRIPT}, {"sh|+", GUARD_ARGS_SCRIPT}};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[64];
                size_t len = strlen(cases[i].words);

                for (size_t j = 0; j <= len; j++)
                        text[j] = cases[i].words[j] == '|' ? '\0' : cases[i].words[j];
                ck_assert_msg(guard_args_of(LX_SPAN(text, len + 1), "c", "WX") == cases[i].is, "%s", cases[i].words);
        }
        ck_assert(guard_environ_is_clean(LX_SPAN("PATH=/bin\0HOME=/\0", 17)));
        ck_assert(!guard_environ_is_clean(LX_SPAN("PATH=/bin\0LD_PRELOAD=x", 22)));
        ck_assert(guard_environ_is_clean(LX_SPAN("", 0)));
}
END_TEST

START_TEST(maps_are_read)
{
        static const char text[] =
            "55d0c0a00000-55d0c0a02000 r-xp 00001000 fe:00 1234                       /usr/bin/tr ue\n"
            "garbage\n"
            "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n"
            "7f0000002000-7f0000003000 r-xs 00000000 00:01 99    /memfd:x (deleted)\n"
            "7ffd1000-7ffd2000 r-xp 00000000 00:00 0    [vdso]";
        struct lx_span rest = LX_SPAN(text, sizeof(text) - 1);
        struct guard_map m;

        ck_assert(guard_map_next(&rest, &m));
        ck_assert(m.start == 0x55d0c0a00000 && m.end == 0x55d0c0a02000 && m.offset == 0x1000 && m.inode == 1234);
        ck_assert(m.exec && !m.write && !m.shared && m.major == 0xfe && m.path.len == 14);
        ck_assert_int_eq(guard_map_kind(&m), GUARD_MAP_FILE);
        ck_assert(guard_map_next(&rest, &m));
        ck_assert_int_eq(guard_map_kind(&m), GUARD_MAP_ANON);
        ck_assert(m.write);
        ck_assert(guard_map_next(&rest, &m));
        ck_assert_int_eq(guard_map_kind(&m), GUARD_MAP_MEMFD);
        ck_assert(guard_map_next(&rest, &m));
        ck_assert_int_eq(guard_map_kind(&m), GUARD_MAP_KERNEL);
        ck_assert(!guard_map_next(&rest, &m));
        ck_assert(guard_page_is_private(1ull << 63));
        ck_assert(guard_page_is_private(1ull << 62));
        ck_assert(!guard_page_is_private(1ull << 63 | 1ull << 61));
        ck_assert(!guard_page_is_private(0));
}
END_TEST

START_TEST(leases_are_bounded)
{
        struct guard_inodes *table = guard_inodes_new(3);
        struct guard_inode item = {.dev = 7}, pushed;

        for (int i = 0; i < 3; i++) {
                item.ino = (uint64_t)i, item.fd = 10 + i;
                ck_assert(!guard_inodes_put(table, &item, &pushed));
        }
        ck_assert(guard_inodes_find(table, 7, 0) != NULL); /* the newest now */
        item.ino = 3, item.fd = 13;
        ck_assert(guard_inodes_put(table, &item, &pushed));
        ck_assert(pushed.ino == 1 && pushed.fd == 11);
        ck_assert(guard_inodes_find(table, 7, 1) == NULL && guard_inodes_find_fd(table, 11) == NULL);
        item.ino = 3, item.fd = 14; /* the same file again: the old descriptor comes back */
        ck_assert(guard_inodes_put(table, &item, &pushed));
        ck_assert(pushed.fd == 13 && guard_inodes_count(table) == 3);
        ck_assert(guard_inodes_oldest(table)->ino == 2);
        guard_inodes_remove(table, guard_inodes_find_fd(table, 14));
        ck_assert(guard_inodes_count(table) == 2 && guard_inodes_find(table, 7, 3) == NULL);
        guard_inodes_free(table);
}
END_TEST

/* ---- a publisher on a ledger of one validator -------------------------------------------------- */

struct world {
        struct lx_hash chain_id, genesis, previous, last;
        struct lx_buf set, header, cert, value, path, tx[8], manifest[8];
        uint64_t height, sequence;
        struct lxv_trust pin;
};

static const uint8_t SEC[32] = {[31] = 7};

static void
world_init(struct world *w)
{
        struct sigchain_valset set = {.count = 1};
        struct lx_hash h;

        *w = (struct world){.chain_id = unit_hash(1), .genesis = unit_hash(2)};
        ck_assert(lx_sign_pubkey(SEC, &set.v[0].key) == LX_OK);
        set.v[0].power = 1;
        set.v[0].name = LX_SPAN("v", 1);
        lx_buf_reserve(&w->set, 512);
        struct lx_writer wr = lx_writer_init(w->set.p, 512);
        sigchain_valset_encode(&set, &wr);
        w->set.len = wr.len;
        sigchain_valset_hash(ops(), w->set.p, w->set.len, &h);
        memcpy(w->pin.chain_id, w->chain_id.b, 32);
        memcpy(w->pin.next_valset, h.b, 32);
        memcpy(w->pin.header, unit_hash(77).b, 32);
        memcpy(w->previous.b, w->pin.header, 32);
        w->pin.time_ms = 1000;
}

/* One block: the chain record as the only state, a header over it, its certificate. */
static void
world_seal(struct world *w)
{
        struct ledger_header header = {.rule_version = 1, .chain_id = w->chain_id, .height = ++w->height,
            .time_ms = 1000 + w->height * 1000};
        struct sigchain_chain chain = {.sequence = w->sequence, .last = w->last, .next = unit_hash(5)};
        struct lx_hash key, value, hash, msg;
        uint8_t bytes[256], cert[4 + 1 + 64] = {0, 0, 0, 0, 0x80}, path[2] = {1, 0};
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_sig sig;

        sigchain_chain_encode(&chain, &wr);
        lx_buf_reset(&w->value), lx_buf_append(&w->value, bytes, wr.len);
        sigchain_state_key(ops(), SIGCHAIN_KIND_CHAIN, w->genesis.b, 32, &key);
        sigchain_state_value(ops(), bytes, wr.len, &value);
        merkle_state_leaf(ops(), &key, &value, &header.state_root);
        memcpy(header.valset.b, w->pin.next_valset, 32);
        header.next_valset = header.valset;
        header.previous = w->previous;
        lx_buf_reset(&w->path), lx_buf_append(&w->path, path, sizeof(path));
        lx_buf_reset(&w->header), lx_buf_reserve(&w->header, LEDGER_HEADER_LEN);
        ledger_header_encode(&header, w->header.p);
        w->header.len = LEDGER_HEADER_LEN;
        ledger_header_hash(ops(), &header, &hash);
        w->previous = hash;
        ledger_vote_message(ops(), LEDGER_VOTE_PRECOMMIT, &w->chain_id, w->height, 0, &hash, &msg);
        ck_assert(lx_sign(SEC, &msg, NULL, &sig) == LX_OK);
        memcpy(cert + 5, sig.b, 64);
        lx_buf_reset(&w->cert), lx_buf_append(&w->cert, cert, sizeof(cert));
}

static void
world_add(struct world *w, const struct sigchain_op_body *body)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        uint8_t bytes[8192], raw[8192];
        struct lx_writer op = lx_writer_init(raw, sizeof(raw)), wr = lx_writer_init(bytes, sizeof(bytes));

        sigchain_op_encode(body, &op);
        tx->chain_id = w->chain_id, tx->genesis = w->genesis, tx->sequence = w->sequence, tx->previous = w->last;
        tx->op_count = 1, tx->op[0] = (struct sigchain_op){.type = (uint8_t)body->type, .body = LX_SPAN(raw, op.len)};
        tx->witness_count = 1, tx->witness[0].role = SIGCHAIN_ROLE_CHAIN;
        sigchain_tx_encode(tx, &wr);
        ck_assert(lx_writer_end(&wr) == LX_OK);
        ck_assert(sigchain_tx_decode(ops(), bytes, wr.len, tx) == LX_OK);
        lx_buf_append(&w->tx[w->sequence], bytes, wr.len);
        w->last = tx->id;
        w->sequence++;
        lx_free(tx);
}

/* A release (or approval) of files whose roots are unit_hash(first ...). */
static void
world_publish(struct world *w, enum sigchain_type type, unsigned first, unsigned count)
{
        struct sigchain_entry entry[8] = {0};
        struct sigchain_object o = {.count = 3};
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CREATE};
        struct lx_hash root;
        char path[8][8];
        uint8_t data[512];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));

        for (unsigned i = 0; i < count; i++) {
                snprintf(path[i], 8, "b/%u", first + i);
                entry[i] = (struct sigchain_entry){.path = LX_SPAN(path[i], strlen(path[i])), .size = 4097, .mode = 0100755,
                    .root = unit_hash(first + i), .sha256 = unit_hash(first + i + 1000)};
        }
        lx_buf_reset(&w->manifest[w->sequence]);
        ck_assert(sigchain_manifest_write(ops(), entry, count, &w->manifest[w->sequence], &root) == LX_OK);
        o.field[0] = (struct sigchain_field){.name = LX_SPAN("name", 4), .type = SIGCHAIN_TEXT, .bytes = LX_SPAN("rel", 3)};
        o.field[1] = (struct sigchain_field){.name = LX_SPAN("manifest", 8), .type = SIGCHAIN_HASH, .bytes = LX_SPAN(root.b, 32)};
        o.field[2] = (struct sigchain_field){.name = LX_SPAN("leaves", 6), .type = SIGCHAIN_HASH, .bytes = LX_SPAN(root.b, 32)};
        sigchain_object_encode(&o, &wr);
        body.u.create.type = type;
        body.u.create.data = LX_SPAN(data, wr.len);
        world_add(w, &body);
}

static void
world_revoke(struct world *w, struct lx_hash digest)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_REVOKE, .u.revoke.digest = digest};

        world_add(w, &body);
}

static struct guard_proof
world_proof(const struct world *w)
{
        return (struct guard_proof){lx_buf_span(&w->header), lx_buf_span(&w->cert), lx_buf_span(&w->set),
            lx_buf_span(&w->value), lx_buf_span(&w->path)};
}

static void
world_clear(struct world *w)
{
        lx_buf_clear(&w->set), lx_buf_clear(&w->header), lx_buf_clear(&w->cert);
        lx_buf_clear(&w->value), lx_buf_clear(&w->path);
        for (int i = 0; i < 8; i++)
                lx_buf_clear(&w->tx[i]), lx_buf_clear(&w->manifest[i]);
}

/* Follow the chain to its end, as the shell does. */
static enum lx_err
follow(struct world *w, struct guard_trust *trust, struct guard_view *view, uint64_t now_ms)
{
        struct guard_proof proof = world_proof(w);
        struct lx_why why = {{0}};
        struct lx_hash id, root, is;
        uint32_t count;
        enum lx_err err = guard_view_begin(view, trust, &proof, now_ms, &why);

        for (uint64_t i = w->sequence; err == LX_OK && guard_view_wants_tx(view, &id);)
                err = guard_view_give_tx(view, lx_buf_span(&w->tx[--i]), &why);
        while (err == LX_OK && guard_view_wants_manifest(view, &root))
                for (int i = 0; i < 8; i++)
                        if (w->manifest[i].len > 0 &&
                            sigchain_manifest_read(ops(), lx_buf_span(&w->manifest[i]), NULL, NULL, &is, &count) == LX_OK &&
                            lx_hash_eq(&is, &root))
                                err = guard_view_give_manifest(view, lx_buf_span(&w->manifest[i]), &why);
        if (err == LX_OK)
                ck_assert(guard_view_commit(view));
        else if (err != LX_ERR_RANGE)
                fprintf(stderr, "follow: %s\n", why.text);
        return err;
}

static struct guard_trust *
trust_of(const struct world *w)
{
        return guard_trust_new(&w->pin, lx_buf_span(&w->set), 100000000);
}

static struct guard_list *
list_of(const struct guard_view *view)
{
        struct guard_list *list = guard_list_new();

        ck_assert(guard_view_fill(view, 0, list) == LX_OK);
        guard_list_seal(list);
        return list;
}

static enum guard_rule
ask(const char *conf, const struct guard_list *list, unsigned root, uint64_t age_ms)
{
        struct guard_policy *policy = policy_of(conf);
        struct guard_ask a = {.root = unit_hash(root), .size = 4097, .path = "/bin/x", .fs = "ext4",
            .wall_ms = 1790000000000, .ledger_ms = 10000, .age_ms = age_ms};
        enum guard_rule rule = guard_decide(policy, list, &a).rule;

        guard_policy_free(policy);
        return rule;
}

/* A register of a file, made or (@address) written. */
static void
world_file(struct world *w, const char *path, const struct lx_hash *address, unsigned root, uint64_t length)
{
        struct sigchain_op_body body = {.type = address == NULL ? SIGCHAIN_OP_CREATE : SIGCHAIN_OP_WRITE};
        struct lx_hash h = unit_hash(root);
        struct sigchain_object o = {.count = 0};
        uint8_t data[512];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));

        if (address == NULL)
                o.field[o.count++] = (struct sigchain_field){
                    .name = LX_SPAN("path", 4), .type = SIGCHAIN_TEXT, .bytes = LX_SPAN(path, strlen(path))};
        o.field[o.count++] = (struct sigchain_field){
            .name = LX_SPAN("root", 4), .type = SIGCHAIN_HASH, .access = SIGCHAIN_MUTABLE, .bytes = LX_SPAN(h.b, 32)};
        if (length != UINT64_MAX)
                o.field[o.count++] = (struct sigchain_field){
                    .name = LX_SPAN("length", 6), .type = SIGCHAIN_U64, .access = SIGCHAIN_MUTABLE, .u64 = length};
        sigchain_object_encode(&o, &wr);
        if (address == NULL)
                body.u.create.type = SIGCHAIN_FILE, body.u.create.data = LX_SPAN(data, wr.len);
        else
                body.u.write.address = *address, body.u.write.data = LX_SPAN(data, wr.len);
        world_add(w, &body);
}

static void
world_offer(struct world *w, struct lx_hash address, unsigned to)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_TRANSFER, .u.transfer.address = address};

        if (to != 0)
                body.u.transfer.to = unit_hash(to);
        world_add(w, &body);
}

static struct guard_files *
files_of(const struct guard_view *view)
{
        struct guard_files *files = guard_files_new();

        guard_view_fill_files(view, files);
        guard_files_seal(files);
        return files;
}

START_TEST(registers_of_files_are_followed)
{
        struct world w;
        struct guard_view *view, *own;
        struct guard_trust *trust, *trust2;
        struct guard_files *files;
        struct lx_hash a, b, root = unit_hash(62);

        world_init(&w);
        world_file(&w, "/etc/b", NULL, 60, 5000);
        world_file(&w, "/etc/a", NULL, 61, 1);
        sigchain_address_created(ops(), SIGCHAIN_FILE, &w.genesis, 0, 0, &b);
        sigchain_address_created(ops(), SIGCHAIN_FILE, &w.genesis, 1, 0, &a);
        world_file(&w, NULL, &b, 62, UINT64_MAX);
        world_seal(&w);
        trust = trust_of(&w), trust2 = trust_of(&w);
        view = guard_view_new(&w.genesis, false), own = guard_view_new(&w.genesis, true);
        ck_assert(follow(&w, trust, view, 5000) == LX_OK && follow(&w, trust2, own, 5000) == LX_OK);
        files = files_of(view);
        ck_assert_uint_eq(guard_files_count(files), 0); /* somebody else's files are not ours */
        guard_files_free(files);
        files = files_of(own);
        ck_assert_uint_eq(guard_files_count(files), 2);
        ck_assert_str_eq(guard_files_at(files, 0)->path, "/etc/a");
        ck_assert_uint_eq(guard_files_from(files, "/etc/aa"), 1);
        ck_assert(guard_files_find(files, "/etc/c") == NULL && guard_files_find(files, "/etc/") == NULL);
        const struct guard_file *f = guard_files_find(files, "/etc/b");
        ck_assert(f != NULL && f->length == 5000 && lx_hash_eq(&f->root, &root) && lx_hash_eq(&f->address, &b));
        ck_assert_int_eq(guard_file_state(f, true, &root, 5000), GUARD_FILE_SAME);
        ck_assert_int_eq(guard_file_state(f, true, &root, 4999), GUARD_FILE_CHANGED);
        ck_assert_int_eq(guard_file_state(f, true, &a, 5000), GUARD_FILE_CHANGED);
        ck_assert_int_eq(guard_file_state(f, false, &root, 5000), GUARD_FILE_MISSING);
        ck_assert_int_eq(guard_file_state(NULL, true, &root, 5000), GUARD_FILE_NEW);
        ck_assert_int_eq(guard_file_state(NULL, false, &root, 0), GUARD_FILE_NONE);
        guard_files_free(files);

        /* Offered away, taken back; a newer register of the same path; a step that is given up leaves nothing. */
        world_offer(&w, a, 9);
        world_file(&w, "/etc/b", NULL, 63, 7);
        world_seal(&w);
        struct guard_proof proof = world_proof(&w);
        ck_assert(guard_view_begin(own, trust2, &proof, 5000, NULL) == LX_OK);
        ck_assert(guard_view_give_tx(own, lx_buf_span(&w.tx[4]), NULL) == LX_OK);
        ck_assert(guard_view_give_tx(own, lx_buf_span(&w.tx[3]), NULL) == LX_OK);
        guard_view_abort(own);
        files = files_of(own);
        ck_assert_uint_eq(guard_files_count(files), 2);
        guard_files_free(files);
        ck_assert(follow(&w, trust2, own, 5000) == LX_OK);
        files = files_of(own);
        ck_assert_uint_eq(guard_files_count(files), 1);
        ck_assert_uint_eq(guard_files_find(files, "/etc/b")->length, 7);
        guard_files_free(files);
        world_offer(&w, a, 0);
        world_seal(&w);
        ck_assert(follow(&w, trust2, own, 5000) == LX_OK);
        files = files_of(own);
        ck_assert_uint_eq(guard_files_count(files), 2);
        guard_files_free(files);
        guard_view_free(view), guard_view_free(own);
        guard_trust_free(trust), guard_trust_free(trust2);
        world_clear(&w);
}
END_TEST

START_TEST(pages_that_differ_are_named)
{
        struct lx_hash is[20], must[20];
        struct lx_buf out = {0};

        for (unsigned i = 0; i < 20; i++)
                is[i] = must[i] = unit_hash(i + 1);
        guard_files_print_pages(LX_SPAN(is, sizeof(is)), LX_SPAN(must, sizeof(must)), &out);
        ck_assert_uint_eq(out.len, 0);
        is[3] = is[4] = is[9] = unit_hash(99);
        guard_files_print_pages(LX_SPAN(is, sizeof(is) - 32), LX_SPAN(must, sizeof(must)), &out);
        ck_assert_str_eq(lx_buf_str(&out), "pages 3-4,9,19");
        lx_buf_reset(&out);
        for (unsigned i = 0; i < 20; i += 2)
                is[i] = unit_hash(99);
        is[3] = must[3], is[9] = must[9];
        guard_files_print_pages(LX_SPAN(is, sizeof(is)), LX_SPAN(must, sizeof(must)), &out);
        ck_assert_str_eq(lx_buf_str(&out), "pages 0,2,4,6,8,10,12,14 and 2 more ranges");
        lx_buf_clear(&out);
}
END_TEST

START_TEST(a_chain_is_followed_and_decides)
{
        struct world w;
        struct guard_view *view, *own;
        struct guard_trust *trust, *trust2;
        struct guard_list *list;

        world_init(&w);
        world_publish(&w, SIGCHAIN_RELEASE, 100, 4);
        world_publish(&w, SIGCHAIN_APPROVAL, 200, 2);
        world_revoke(&w, unit_hash(101 + 1000));
        world_seal(&w);
        trust = trust_of(&w), trust2 = trust_of(&w);
        view = guard_view_new(&w.genesis, false), own = guard_view_new(&w.genesis, true);
        ck_assert(follow(&w, trust, view, 5000) == LX_OK);
        ck_assert(follow(&w, trust2, own, 5000) == LX_OK);
        ck_assert(guard_view_height(view) == 1 && guard_trust_height(trust) == 1);
        list = list_of(view);
        ck_assert_int_eq((int)guard_list_count(list), 4);
        ck_assert_int_eq(ask("", list, 100, 0), GUARD_RULE_RELEASE);
        ck_assert_int_eq(ask("", list, 101, 0), GUARD_RULE_REVOKED);
        ck_assert_int_eq(ask("", list, 200, 0), GUARD_RULE_UNKNOWN); /* somebody else's approval */
        ck_assert_int_eq(ask("", list, 999, 0), GUARD_RULE_UNKNOWN);
        ck_assert_int_eq(ask("critical = /bin/x", list, 101, 0), GUARD_RULE_CRITICAL);
        ck_assert_int_eq(ask("exception = /bin/ until=2099-01-01", list, 101, 0), GUARD_RULE_REVOKED);
        ck_assert_int_eq(ask("exception = /bin/ until=2099-01-01", list, 999, 0), GUARD_RULE_EXCEPTION);
        ck_assert_int_eq(ask("exception = /bin/ until=2020-01-01", list, 999, 0), GUARD_RULE_UNKNOWN);
        ck_assert_int_eq(ask("exception = /bi until=2099-01-01", list, 999, 0), GUARD_RULE_UNKNOWN);
        ck_assert_int_eq(ask("min-age = 8", list, 100, 0), GUARD_RULE_RELEASE); /* seen at 2000, now 10000 */
        ck_assert_int_eq(ask("min-age = 9", list, 100, 0), GUARD_RULE_YOUNG);
        ck_assert_int_eq(ask("confirm = 2", list, 100, 0), GUARD_RULE_UNCONFIRMED);
        ck_assert_int_eq(ask("untrusted-fs = ext4", list, 100, 0), GUARD_RULE_FILESYSTEM);
        ck_assert_int_eq(ask("max-age = 5\nstale = deny", list, 100, 5000), GUARD_RULE_RELEASE);
        ck_assert_int_eq(ask("max-age = 5\nstale = deny", list, 100, 5001), GUARD_RULE_STALE);
        ck_assert_int_eq(ask("max-age = 5\nstale = keep", list, 100, 5001), GUARD_RULE_RELEASE);
        ck_assert_str_eq(guard_list_find_path(list, "/b/100")->path, "/b/100");
        ck_assert(guard_list_find_path(list, "/b/101") == NULL);
        guard_list_free(list);
        list = list_of(own);
        ck_assert_int_eq(ask("min-age = 9\nconfirm = 3", list, 200, 0), GUARD_RULE_APPROVAL);
        guard_list_free(list);
        /* A revocation arrives within the next step; heights do not go back. */
        world_revoke(&w, unit_hash(100));
        struct world before = w;
        world_seal(&w);
        ck_assert(follow(&w, trust, view, 5000) == LX_OK);
        list = list_of(view);
        ck_assert_int_eq(ask("", list, 100, 0), GUARD_RULE_REVOKED);
        guard_list_free(list);
        before.height = 0;
        before.sequence = w.sequence;
        before.header = before.cert = before.value = before.path = (struct lx_buf){0};
        world_seal(&before);
        ck_assert(follow(&before, trust, view, 5000) == LX_ERR_RANGE);
        lx_buf_clear(&before.header), lx_buf_clear(&before.cert), lx_buf_clear(&before.value), lx_buf_clear(&before.path);
        guard_view_free(view), guard_view_free(own);
        guard_trust_free(trust), guard_trust_free(trust2);
        world_clear(&w);
}
END_TEST

START_TEST(what_does_not_hold_is_refused)
{
        struct world w;
        struct guard_view *view;
        struct guard_trust *trust;
        struct guard_proof proof;
        struct lx_hash id;

        world_init(&w);
        world_publish(&w, SIGCHAIN_RELEASE, 100, 2);
        world_publish(&w, SIGCHAIN_RELEASE, 110, 2);
        world_seal(&w);
        trust = trust_of(&w);
        view = guard_view_new(&w.genesis, false);
        proof = world_proof(&w);
        ck_assert(guard_view_begin(view, trust, &proof, 200000000, NULL) == LX_ERR_EXPIRED);
        /* every byte of header, certificate, record and proof */
        for (int part = 0; part < 4; part++) {
                struct lx_buf *b[4] = {&w.header, &w.cert, &w.value, &w.path};

                for (size_t i = 0; i < b[part]->len; i++) {
                        b[part]->p[i] ^= 1;
                        /* the round is signed; the record's own version byte is checked by its codec */
                        ck_assert_msg(guard_view_begin(view, trust, &proof, 5000, NULL) != LX_OK, "part %d byte %zu", part, i);
                        b[part]->p[i] ^= 1;
                }
        }
        ck_assert(guard_view_begin(view, trust, &proof, 0, NULL) == LX_OK);
        ck_assert(guard_view_wants_tx(view, &id) && lx_hash_eq(&id, &w.last));
        ck_assert(guard_view_give_tx(view, lx_buf_span(&w.tx[0]), NULL) == LX_ERR_PROOF);
        ck_assert(!guard_view_commit(view));
        ck_assert(guard_view_give_tx(view, lx_buf_span(&w.tx[1]), NULL) == LX_OK);
        ck_assert(!guard_view_wants_manifest(view, &id)); /* not before the whole chain is here */
        ck_assert(guard_view_give_tx(view, lx_buf_span(&w.tx[0]), NULL) == LX_OK);
        ck_assert(guard_view_wants_manifest(view, &id));
        ck_assert(guard_view_give_manifest(view, lx_buf_span(&w.manifest[1]), NULL) == LX_ERR_PROOF);
        ck_assert(guard_view_give_manifest(view, (struct lx_span){0}, NULL) == LX_OK); /* nobody has it */
        ck_assert(guard_view_give_manifest(view, lx_buf_span(&w.manifest[1]), NULL) == LX_OK);
        ck_assert(guard_view_commit(view));
        ck_assert_int_eq((int)guard_view_missing(view), 1);
        ck_assert(follow(&w, trust, view, 5000) == LX_OK);
        ck_assert_int_eq((int)guard_view_missing(view), 0);
        guard_view_free(view);
        guard_trust_free(trust);
        world_clear(&w);
}
END_TEST

START_TEST(the_cache_is_evidence)
{
        struct world w;
        struct guard_view *view, *back;
        struct guard_trust *trust, *fresh;
        struct guard_list *list;
        struct lx_buf cache = {0};
        struct lx_span bytes;

        world_init(&w);
        world_publish(&w, SIGCHAIN_RELEASE, 100, 2);
        world_publish(&w, SIGCHAIN_APPROVAL, 200, 2);
        world_revoke(&w, unit_hash(101));
        world_seal(&w);
        trust = trust_of(&w);
        view = guard_view_new(&w.genesis, true);
        ck_assert(follow(&w, trust, view, 5000) == LX_OK);
        guard_cache_encode(trust, &view, 1, &cache);
        bytes = lx_buf_span(&cache);
        for (size_t cut = 0; cut <= bytes.len; cut++) {
                fresh = trust_of(&w);
                back = guard_view_new(&w.genesis, true);
                ck_assert((guard_cache_decode(LX_SPAN(bytes.p, cut), fresh, &back, 1, NULL) == LX_OK) == (cut == bytes.len));
                if (cut == bytes.len) {
                        ck_assert(guard_view_height(back) == 1 && guard_view_time(back) == 2000);
                        list = list_of(back);
                        ck_assert_int_eq(ask("", list, 100, 0), GUARD_RULE_APPROVAL);
                        ck_assert_int_eq(ask("", list, 101, 0), GUARD_RULE_REVOKED);
                        guard_list_free(list);
                        ck_assert(follow(&w, fresh, back, 5000) == LX_OK);
                }
                guard_view_free(back);
                guard_trust_free(fresh);
        }
        /* Another pin, and evidence that was changed and summed up again. */
        w.pin.header[0] ^= 1;
        fresh = trust_of(&w);
        back = guard_view_new(&w.genesis, true);
        ck_assert(guard_cache_decode(bytes, fresh, &back, 1, NULL) == LX_ERR_UNTRUSTED);
        guard_trust_free(fresh);
        w.pin.header[0] ^= 1;
        for (size_t i = 8 + 32 + 8 + 32; i + 32 < bytes.len; i += 7) {
                static const struct lx_tag tag = {"lx.guard"};
                struct lx_hash sum;
                enum lx_err err;

                fresh = trust_of(&w);
                cache.p[i] ^= 0x10;
                lx_blake2b(&tag, cache.p, cache.len - 32, &sum);
                memcpy(cache.p + cache.len - 32, sum.b, 32);
                err = guard_cache_decode(bytes, fresh, &back, 1, NULL);
                cache.p[i] ^= 0x10;
                if (err == LX_OK) { /* only "first seen", a local note, and a witness can differ */
                        list = list_of(back);
                        ck_assert_int_eq((int)guard_list_count(list), 4);
                        ck_assert_int_eq(ask("", list, 101, 0), GUARD_RULE_REVOKED);
                        guard_list_free(list);
                        guard_view_free(back);
                        back = guard_view_new(&w.genesis, true);
                }
                guard_trust_free(fresh);
        }
        guard_view_free(view), guard_view_free(back);
        guard_trust_free(trust);
        lx_buf_clear(&cache);
        world_clear(&w);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {policy_reads_every_row, policy_refuses_what_it_does_not_understand,
            code_is_told_from_data, arguments_of_interpreters, maps_are_read, leases_are_bounded,
            registers_of_files_are_followed, pages_that_differ_are_named, a_chain_is_followed_and_decides, what_does_not_hold_is_refused,
            the_cache_is_evidence, NULL};

        return unit_main("guard", cases, 60);
}
