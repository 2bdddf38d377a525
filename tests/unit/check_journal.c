/*
 * tests/unit/check_journal.c - write-ahead log and signing record: a power cut at every write and every
 * fsync, with every kind of torn write, loses no signature that left and asks for no repair; damage of
 * what was synced is refused; the rules of signing.
 */
#include "config.h"
#include "base/mem.h"
#include "ledger/journal.h"
#include "unit.h"

#include <unistd.h>

/* What the world has seen of a validator. */
struct life {
        struct ledger_memdisk *disk;
        struct ledger_journal *journal;
        struct ledger_sign_record record;
        bool found;
        uint64_t replayed;            /* records handed out at the last opening */
        uint64_t first, last;         /* numbers in them */
        uint64_t written;             /* number of the last record appended */
        uint64_t left_height;         /* the last signature that left */
        uint32_t left_round;
        enum ledger_sign_step left_step;
        struct lx_hash left_msg;
        uint64_t left_written;        /* records appended before it */
        bool any_left;
};

static void
count_record(void *arg, unsigned type, struct lx_span content)
{
        struct life *life = arg;
        uint64_t number = lx_get_be64(content.p);

        ck_assert_uint_eq(type, 7);
        ck_assert_uint_eq(content.len, 8 + number % 300);
        if (life->replayed++ == 0)
                life->first = number;
        else
                ck_assert_uint_eq(number, life->last + 1);
        life->last = number;
}

static enum lx_err
open_life(struct life *life, struct lx_why *why)
{
        life->replayed = life->first = life->last = 0;
        return ledger_journal_open(ledger_memdisk_storage(life->disk), count_record, life,
            &life->record, &life->found, &life->journal, why);
}

static enum lx_err
append(struct life *life)
{
        uint8_t content[8 + 300] = {0};
        uint64_t number = life->written + 1;
        enum lx_err err;

        lx_put_be64(content, number);
        err = ledger_journal_append(life->journal, 7, content, 8 + number % 300);
        if (err == LX_OK)
                life->written = number;
        return err;
}

/* One own message: log, sync, record, sync; then it leaves. */
static enum lx_err
sign(struct life *life, uint64_t height, uint32_t round, enum ledger_sign_step step)
{
        struct lx_hash msg = unit_hash(height * 1000 + round * 10 + step);
        struct ledger_sign_record next = life->record;
        struct lx_sig sig = {{(uint8_t)height}};
        enum lx_err err = ledger_sign_may(&life->record, height, round, step, &msg);

        if (err != LX_OK)
                return err == LX_ERR_EXISTS || err == LX_ERR_DENIED ? LX_OK : err;
        err = append(life);
        if (err == LX_OK)
                err = ledger_journal_sync(life->journal);
        ledger_sign_note(&next, height, round, step, &msg, &sig);
        lx_put_be64(next.state.valid.b, life->written); /* how far the log is known to it */
        if (err == LX_OK)
                err = ledger_journal_put_record(life->journal, &next);
        if (err != LX_OK)
                return err;
        life->record = next;
        life->any_left = true;
        life->left_height = height;
        life->left_round = round;
        life->left_step = step;
        life->left_msg = msg;
        life->left_written = life->written;
        return LX_OK;
}

/* Three heights, the second with two rounds; a new log after each. */
static enum lx_err
live(struct life *life)
{
        enum lx_err err = LX_OK;

        for (uint64_t height = 1; height <= 3 && err == LX_OK; height++) {
                for (uint32_t round = 0; round < (height == 2 ? 2u : 1u) && err == LX_OK; round++) {
                        err = append(life);
                        for (unsigned s = 0; s < LEDGER_SIGN_COUNT_ && err == LX_OK; s++) {
                                err = sign(life, height, round, (enum ledger_sign_step)s);
                                if (err == LX_OK)
                                        err = append(life);
                        }
                }
                if (err == LX_OK && height == 2)
                        err = ledger_journal_restart(life->journal);
        }
        return err;
}

/* After a crash: what left is remembered, and nothing else can be signed in its place. */
static void
check_memory(struct life *life)
{
        struct lx_hash other = unit_hash(999999);

        /* The log ends with what the record knows: the rest never left, and may be signed otherwise. */
        if (life->replayed > 0)
                ck_assert(life->found && life->last == lx_get_be64(life->record.state.valid.b));
        if (!life->any_left)
                return;
        ck_assert(life->found);
        ck_assert_int_eq(ledger_sign_may(&life->record, life->left_height, life->left_round,
                             life->left_step, &other), LX_ERR_DENIED);
        if (life->record.height == life->left_height && life->record.round == life->left_round)
                ck_assert_int_eq(ledger_sign_may(&life->record, life->left_height,
                                     life->left_round, life->left_step, &life->left_msg),
                    LX_ERR_EXISTS);
        /* The log has everything up to the signature, unless a new one was begun since. */
        if (life->replayed > 0)
                ck_assert_uint_ge(life->last, life->left_written);
}

static void
crash_at(uint64_t n, uint64_t choice)
{
        struct life life = {.disk = ledger_memdisk_new()};
        struct lx_why why = {{0}};
        enum lx_err err;

        ledger_memdisk_fail(life.disk, n);
        err = open_life(&life, &why);
        if (err == LX_OK)
                err = live(&life);
        ck_assert(n == 0 || err == LX_ERR_IO);
        ledger_journal_close(life.journal);
        life.journal = NULL;
        ledger_memdisk_crash(life.disk, choice);
        /* The next start may be cut short too. */
        ledger_memdisk_fail(life.disk, choice % 3);
        if (open_life(&life, &why) != LX_OK) {
                ledger_memdisk_crash(life.disk, choice >> 7);
                why.text[0] = '\0';
                ck_assert_msg(open_life(&life, &why) == LX_OK, "n %llu choice %llx: %s",
                    (unsigned long long)n, (unsigned long long)choice, why.text);
        }
        ledger_memdisk_fail(life.disk, 0);
        check_memory(&life);
        life.written = life.last > life.left_written ? life.last : life.left_written;
        /* It goes on from there. */
        ck_assert_int_eq(ledger_journal_restart(life.journal), LX_OK);
        ck_assert_int_eq(live(&life), LX_OK);
        ledger_journal_close(life.journal);
        ledger_memdisk_free(life.disk);
}

START_TEST(a_power_cut_anywhere_needs_no_repair)
{
        struct life life = {.disk = ledger_memdisk_new()};
        uint64_t operations, seed = 7;

        ck_assert_int_eq(open_life(&life, NULL), LX_OK);
        ck_assert_int_eq(live(&life), LX_OK);
        operations = ledger_memdisk_operations(life.disk);
        ledger_journal_close(life.journal);
        ledger_memdisk_free(life.disk);
        ck_assert_uint_gt(operations, 50);
        for (uint64_t n = 1; n <= operations; n++)
                for (unsigned i = 0; i < 64; i++)
                        crash_at(n, i < 16 ? i * 0x5555555555555555ull + i : unit_random(&seed));
}
END_TEST

START_TEST(damage_of_synced_bytes_is_refused)
{
        struct life life = {.disk = ledger_memdisk_new()};
        struct lx_why why = {{0}};
        uint64_t durable, len;

        ck_assert_int_eq(open_life(&life, NULL), LX_OK);
        for (unsigned s = 0; s < LEDGER_SIGN_COUNT_; s++)
                ck_assert_int_eq(sign(&life, 1, 0, (enum ledger_sign_step)s), LX_OK);
        durable = ledger_journal_len(life.journal);
        ck_assert_int_eq(append(&life), LX_OK);
        ck_assert_int_eq(ledger_journal_sync(life.journal), LX_OK);
        len = ledger_journal_len(life.journal);
        ledger_journal_close(life.journal);
        for (uint64_t at = 0; at < durable; at++) {
                ck_assert(ledger_memdisk_damage(life.disk, "wal", at));
                why.text[0] = '\0';
                /* A damaged log number belongs to no record: every byte behind it fails its checksum. */
                if (at < 8 || at >= 16) {
                        ck_assert_int_eq(open_life(&life, &why), LX_ERR_CORRUPT);
                        ck_assert_ptr_nonnull(strstr(why.text, "damaged at byte"));
                }
                ck_assert(ledger_memdisk_damage(life.disk, "wal", at));
        }
        /* Behind the last signature it is cut, by itself. */
        ck_assert(ledger_memdisk_damage(life.disk, "wal", len - 1));
        ck_assert_int_eq(open_life(&life, &why), LX_OK);
        ck_assert_uint_eq(ledger_journal_len(life.journal), durable);
        ck_assert_uint_eq(life.replayed, 3);
        ledger_journal_close(life.journal);
        /* One copy of the signing record may be damaged, not both. */
        ck_assert(ledger_memdisk_damage(life.disk, "sign", 20));
        ck_assert(ledger_memdisk_damage(life.disk, "sign", LEDGER_SIGN_SLOT + 20));
        why.text[0] = '\0';
        ck_assert_int_eq(open_life(&life, &why), LX_ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(why.text, "both copies"));
        ledger_memdisk_free(life.disk);
}
END_TEST

START_TEST(signing_only_moves_forward)
{
        struct ledger_sign_record r = {.vote_from = 3};
        const struct lx_hash a = unit_hash(1), b = unit_hash(2);
        const struct lx_sig sig = {{1}};

        ck_assert_int_eq(ledger_sign_may(&r, 2, 0, LEDGER_SIGN_PREVOTE, &a), LX_ERR_DENIED);
        ck_assert_int_eq(ledger_sign_may(&r, 3, 0, LEDGER_SIGN_PREVOTE, &a), LX_OK);
        ledger_sign_note(&r, 5, 2, LEDGER_SIGN_PREVOTE, &a, &sig);
        ck_assert_int_eq(ledger_sign_may(&r, 5, 2, LEDGER_SIGN_PREVOTE, &a), LX_ERR_EXISTS);
        ck_assert_int_eq(ledger_sign_may(&r, 5, 2, LEDGER_SIGN_PREVOTE, &b), LX_ERR_DENIED);
        ck_assert_int_eq(ledger_sign_may(&r, 5, 2, LEDGER_SIGN_PROPOSAL, &b), LX_ERR_DENIED);
        ck_assert_int_eq(ledger_sign_may(&r, 5, 2, LEDGER_SIGN_PRECOMMIT, &b), LX_OK);
        ck_assert_int_eq(ledger_sign_may(&r, 5, 1, LEDGER_SIGN_PRECOMMIT, &b), LX_ERR_DENIED);
        ck_assert_int_eq(ledger_sign_may(&r, 5, 3, LEDGER_SIGN_PROPOSAL, &b), LX_OK);
        ck_assert_int_eq(ledger_sign_may(&r, 4, 9, LEDGER_SIGN_PRECOMMIT, &b), LX_ERR_DENIED);
        ledger_sign_note(&r, 5, 2, LEDGER_SIGN_PRECOMMIT, &b, &sig);
        ck_assert_int_eq(ledger_sign_may(&r, 5, 2, LEDGER_SIGN_PREVOTE, &a), LX_ERR_EXISTS);
        ledger_sign_note(&r, 6, 0, LEDGER_SIGN_PROPOSAL, &b, &sig);
        ck_assert_int_eq(ledger_sign_may(&r, 6, 0, LEDGER_SIGN_PREVOTE, &a), LX_OK);
        ck_assert_int_eq(ledger_sign_may(&r, 5, 2, LEDGER_SIGN_PRECOMMIT, &b), LX_ERR_DENIED);
}
END_TEST

START_TEST(records_have_one_encoding)
{
        struct ledger_sign_record r = {.height = 9, .round = 2, .vote_from = 4}, again;
        const struct lx_hash a = unit_hash(1);
        const struct lx_sig sig = {{1}};
        uint8_t bytes[LEDGER_SIGN_SLOT], back[LEDGER_SIGN_SLOT];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes)), wb;

        r.state = (struct ledger_bft_state){.round = 2, .step = LEDGER_STEP_PRECOMMIT,
            .locked_round = 1, .locked = a, .valid_round = LEDGER_NO_ROUND};
        ledger_sign_note(&r, 9, 2, LEDGER_SIGN_PRECOMMIT, &a, &sig);
        ledger_sign_record_encode(&r, &wr);
        ck_assert_int_eq(ledger_sign_record_decode(bytes, wr.len, &again), LX_OK);
        wb = lx_writer_init(back, sizeof(back));
        ledger_sign_record_encode(&again, &wb);
        ck_assert(wb.len == wr.len && memcmp(bytes, back, wr.len) == 0);
        for (size_t cut = 0; cut < wr.len; cut++)
                ck_assert_int_ne(ledger_sign_record_decode(bytes, cut, &again), LX_OK);
        ck_assert_int_eq(ledger_sign_record_decode(bytes, wr.len + 1, &again), LX_ERR_TRAILING);
        bytes[0] = 2;
        ck_assert_int_eq(ledger_sign_record_decode(bytes, wr.len, &again), LX_ERR_VERSION);
}
END_TEST

/* The same over real files. */
START_TEST(a_directory_remembers)
{
        char dir[] = "/tmp/check_journal.XXXXXX", path[64];
        struct ledger_storage storage;
        struct life life = {0};
        struct lx_why why = {{0}};

        ck_assert_ptr_nonnull(mkdtemp(dir));
        ck_assert_int_eq(ledger_storage_dir_open(dir, &storage, &why), LX_OK);
        ck_assert_int_eq(ledger_journal_open(&storage, count_record, &life, &life.record, &life.found,
                             &life.journal, &why), LX_OK);
        ck_assert(!life.found);
        ck_assert_int_eq(live(&life), LX_OK);
        ledger_journal_close(life.journal);
        ledger_storage_dir_close(&storage);
        snprintf(path, sizeof(path), "%s/wal", dir);
        ck_assert_int_eq(truncate(path, 2000), 0); /* longer: a hole at the end */
        ck_assert_int_eq(ledger_storage_dir_open(dir, &storage, &why), LX_OK);
        life.replayed = 0;
        ck_assert_msg(ledger_journal_open(&storage, count_record, &life, &life.record, &life.found,
                          &life.journal, &why) == LX_OK, "%s", why.text);
        check_memory(&life);
        ck_assert_uint_ge(life.replayed, 4);
        ck_assert_int_eq(live(&life), LX_OK);
        ledger_journal_close(life.journal);
        ledger_storage_dir_close(&storage);
        ck_assert_int_eq(unlink(path), 0);
        snprintf(path, sizeof(path), "%s/sign", dir);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {a_power_cut_anywhere_needs_no_repair,
            damage_of_synced_bytes_is_refused, signing_only_moves_forward,
            records_have_one_encoding, a_directory_remembers, NULL};

        return unit_main("journal", cases, 60);
}
