/* ledger/journal.c - the write-ahead log and the signing record; see ledger/journal.h. */
#include "config.h"
#include "ledger/journal.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"

#include <string.h>

#define LOG "wal"
#define SIGN "sign"
#define MAGIC "LXWAL001"
#define LOG_HEAD 16u
#define RECORD_HEAD 13u
#define CHECKSUM_LEN 8u
#define SLOT_HEAD 10u /* u64 serial, u16 length */
#define RECORD_VERSION 1

struct ledger_journal {
        const struct ledger_storage *storage;
        uint64_t number; /* of the log */
        uint64_t len;    /* bytes in it */
        uint64_t synced; /* of those durable */
        uint64_t serial; /* of the newest signing record; 0: there is no file */
};

/* ---- the signing record ------------------------------------------------------------------------ */

void
ledger_sign_record_encode(const struct ledger_sign_record *r, struct lx_writer *wr)
{
        lx_write_u8(wr, RECORD_VERSION);
        lx_write_u64(wr, r->height);
        lx_write_u32(wr, r->round);
        lx_write_u32(wr, r->state.round);
        lx_write_u8(wr, (uint8_t)r->state.step);
        lx_write_u32(wr, r->state.locked_round);
        lx_write_hash(wr, &r->state.locked);
        lx_write_u32(wr, r->state.valid_round);
        lx_write_hash(wr, &r->state.valid);
        for (unsigned i = 0; i < LEDGER_SIGN_COUNT_; i++) {
                lx_write_u8(wr, r->last[i].there);
                lx_write_hash(wr, &r->last[i].msg);
                lx_write_bytes(wr, r->last[i].sig.b, LX_SIG_LEN);
        }
        lx_write_u64(wr, r->vote_from);
        lx_write_u64(wr, r->log_number);
        lx_write_u64(wr, r->log_len);
}

enum lx_err
ledger_sign_record_decode(const uint8_t *bytes, size_t len, struct ledger_sign_record *out)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        if (lx_read_u8(&rd) != RECORD_VERSION)
                lx_reader_fail(&rd, LX_ERR_VERSION);
        out->height = lx_read_u64(&rd);
        out->round = lx_read_u32(&rd);
        out->state.round = lx_read_u32(&rd);
        out->state.step = (enum ledger_step)lx_read_u8(&rd);
        if (rd.err == LX_OK && out->state.step > LEDGER_STEP_PRECOMMIT)
                lx_reader_fail(&rd, LX_ERR_RANGE);
        out->state.locked_round = lx_read_u32(&rd);
        out->state.locked = lx_read_hash(&rd);
        out->state.valid_round = lx_read_u32(&rd);
        out->state.valid = lx_read_hash(&rd);
        for (unsigned i = 0; i < LEDGER_SIGN_COUNT_; i++) {
                unsigned there = lx_read_u8(&rd);

                if (rd.err == LX_OK && there > 1)
                        lx_reader_fail(&rd, LX_ERR_RANGE);
                out->last[i].there = there != 0;
                out->last[i].msg = lx_read_hash(&rd);
                lx_read_bytes(&rd, out->last[i].sig.b, LX_SIG_LEN);
        }
        out->vote_from = lx_read_u64(&rd);
        out->log_number = lx_read_u64(&rd);
        out->log_len = lx_read_u64(&rd);
        return lx_reader_end(&rd);
}

enum lx_err
ledger_sign_may(const struct ledger_sign_record *r, uint64_t height, uint32_t round,
    enum ledger_sign_step step, const struct lx_hash *msg)
{
        if (height < r->vote_from || height < r->height)
                return LX_ERR_DENIED;
        if (height > r->height || round > r->round)
                return LX_OK;
        if (round < r->round)
                return LX_ERR_DENIED;
        if (r->last[step].there)
                return lx_hash_eq(&r->last[step].msg, msg) ? LX_ERR_EXISTS : LX_ERR_DENIED;
        for (unsigned later = step + 1; later < LEDGER_SIGN_COUNT_; later++)
                if (r->last[later].there)
                        return LX_ERR_DENIED;
        return LX_OK;
}

void
ledger_sign_note(struct ledger_sign_record *r, uint64_t height, uint32_t round,
    enum ledger_sign_step step, const struct lx_hash *msg, const struct lx_sig *sig)
{
        if (height != r->height || round != r->round)
                memset(r->last, 0, sizeof(r->last));
        r->height = height;
        r->round = round;
        r->last[step] = (struct ledger_signed){.there = true, .msg = *msg, .sig = *sig};
}

/* A slot: serial, length, record, hash over all of it. */
static size_t
fill_slot(uint8_t slot[LEDGER_SIGN_SLOT], uint64_t serial, const struct ledger_sign_record *record)
{
        struct lx_writer wr = lx_writer_init(slot + SLOT_HEAD, LEDGER_SIGN_SLOT - SLOT_HEAD);
        struct lx_writer head = lx_writer_init(slot, SLOT_HEAD);
        struct lx_hash sum;

        ledger_sign_record_encode(record, &wr);
        lx_write_u64(&head, serial);
        lx_write_u16(&head, (uint16_t)wr.len);
        lx_hash1(&lx_crypto_ops()->hash, &LX_TAG_SIGN, slot, SLOT_HEAD + wr.len, &sum);
        lx_write_hash(&wr, &sum);
        return SLOT_HEAD + wr.len;
}

static bool
read_slot(struct lx_span file, unsigned i, uint64_t *out_serial, struct ledger_sign_record *out)
{
        size_t at = i * LEDGER_SIGN_SLOT, len;
        struct lx_reader rd;
        struct lx_hash sum;

        if (file.len < at + SLOT_HEAD)
                return false;
        rd = lx_reader_init(file.p + at, file.len - at);
        *out_serial = lx_read_u64(&rd);
        len = lx_read_u16(&rd);
        if (*out_serial == 0 || len > LEDGER_SIGN_SLOT - SLOT_HEAD - LX_HASH_LEN ||
            rd.left < len + LX_HASH_LEN)
                return false;
        lx_hash1(&lx_crypto_ops()->hash, &LX_TAG_SIGN, file.p + at, SLOT_HEAD + len, &sum);
        return memcmp(sum.b, rd.p + len, LX_HASH_LEN) == 0 && /* public */
            ledger_sign_record_decode(rd.p, len, out) == LX_OK;
}

static enum lx_err
load_record(struct ledger_journal *journal, struct ledger_sign_record *out, bool *out_found,
    struct lx_why *why)
{
        struct ledger_sign_record record;
        struct lx_buf file = {0};
        uint64_t serial;
        enum lx_err err = journal->storage->read(journal->storage->arg, SIGN, &file);

        *out_found = false;
        for (unsigned i = 0; i < 2 && err == LX_OK; i++)
                if (read_slot(lx_buf_span(&file), i, &serial, &record) &&
                    serial > journal->serial) {
                        journal->serial = serial;
                        *out = record;
                        *out_found = true;
                }
        lx_buf_clear(&file);
        if (err == LX_OK && !*out_found) {
                lx_why_set(why, "both copies of the signing record (file sign) are damaged: a power "
                    "cut damages at most one, so check the disk; to go on, move the file away: the "
                    "validator then signs again after two more blocks");
                return LX_ERR_CORRUPT;
        }
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

enum lx_err
ledger_journal_put_record(struct ledger_journal *journal, const struct ledger_sign_record *record)
{
        const struct ledger_storage *storage = journal->storage;
        struct ledger_sign_record now = *record;
        uint8_t file[2 * LEDGER_SIGN_SLOT] = {0};
        uint64_t serial = journal->serial + 1, at = serial % 2 * LEDGER_SIGN_SLOT;
        enum lx_err err;
        size_t len;

        now.log_number = journal->number;
        now.log_len = journal->synced;
        len = fill_slot(file + at, serial, &now);
        if (journal->serial == 0) {
                err = storage->replace(storage->arg, SIGN, file, sizeof(file));
        } else {
                err = storage->write(storage->arg, SIGN, at, file + at, len);
                if (err == LX_OK)
                        err = storage->sync(storage->arg, SIGN);
        }
        if (err == LX_OK)
                journal->serial = serial;
        return err;
}

/* ---- the log ----------------------------------------------------------------------------------- */

static void
checksum(const struct ledger_journal *journal, uint64_t at, const uint8_t head[5],
    struct lx_span content, struct lx_hash *out)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        uint8_t place[16];
        struct lx_span parts[3] = {LX_SPAN(place, sizeof(place)), LX_SPAN(head, 5), content};

        lx_put_be64(place, journal->number);
        lx_put_be64(place + 8, at);
        ops->hash(ops->ctx, &LX_TAG_WAL, parts, 3, out);
}

enum lx_err
ledger_journal_append(
    struct ledger_journal *journal, unsigned type, const void *content, size_t len)
{
        struct lx_buf record = {0};
        struct lx_writer wr;
        struct lx_hash sum;
        enum lx_err err;

        if (len > LEDGER_RECORD_MAX)
                return LX_ERR_LIMIT;
        wr = lx_writer_init(lx_buf_reserve(&record, RECORD_HEAD + len), RECORD_HEAD);
        lx_write_u32(&wr, (uint32_t)len);
        lx_write_u8(&wr, (uint8_t)type);
        checksum(journal, journal->len, record.p, LX_SPAN(content, len), &sum);
        lx_write_bytes(&wr, sum.b, CHECKSUM_LEN);
        lx_buf_add(&record, RECORD_HEAD);
        lx_buf_append(&record, content, len);
        err = journal->storage->write(
            journal->storage->arg, LOG, journal->len, record.p, record.len);
        if (err == LX_OK)
                journal->len += record.len;
        lx_buf_clear(&record);
        return err;
}

enum lx_err
ledger_journal_sync(struct ledger_journal *journal)
{
        enum lx_err err = LX_OK;

        if (journal->synced < journal->len)
                err = journal->storage->sync(journal->storage->arg, LOG);
        if (err == LX_OK)
                journal->synced = journal->len;
        return err;
}

static enum lx_err
new_log(struct ledger_journal *journal, uint64_t number)
{
        uint8_t head[LOG_HEAD];
        enum lx_err err;

        memcpy(head, MAGIC, 8);
        lx_put_be64(head + 8, number);
        err = journal->storage->replace(journal->storage->arg, LOG, head, sizeof(head));
        if (err != LX_OK)
                return err;
        journal->number = number;
        journal->len = journal->synced = LOG_HEAD;
        return LX_OK;
}

enum lx_err
ledger_journal_restart(struct ledger_journal *journal)
{
        return new_log(journal, journal->number + 1);
}

uint64_t
ledger_journal_len(const struct ledger_journal *journal)
{
        return journal->len;
}

/* The whole record at @at, or false. */
static bool
read_record(const struct ledger_journal *journal, struct lx_span file, uint64_t at,
    unsigned *out_type, struct lx_span *out_content)
{
        struct lx_reader rd = lx_reader_init(file.p + at, file.len - at);
        struct lx_hash sum;
        uint32_t len = lx_read_u32(&rd);
        unsigned type = lx_read_u8(&rd);
        struct lx_span check = lx_read_span(&rd, CHECKSUM_LEN);

        if (rd.err != LX_OK || len > LEDGER_RECORD_MAX || len > rd.left)
                return false;
        *out_content = lx_read_span(&rd, len);
        *out_type = type;
        checksum(journal, at, file.p + at, *out_content, &sum);
        return memcmp(sum.b, check.p, CHECKSUM_LEN) == 0; /* public */
}

static enum lx_err
refuse(uint64_t at, uint64_t durable, struct lx_why *why)
{
        lx_why_set(why, "the write-ahead log (file wal) is damaged at byte %llu, of %llu that were "
            "synced: no power cut does that, so check the disk; to go on, move both files, wal and "
            "sign, away: the validator then signs again after two more blocks",
            (unsigned long long)at, (unsigned long long)durable);
        return LX_ERR_CORRUPT;
}

/*
 * Hand out what the signing record covers, which must be whole; cut off the rest. Behind it is what a power cut
 * tore, or a message whose signing record was never written: it did not leave, another may be signed in its place.
 */
static enum lx_err
scan(struct ledger_journal *journal, struct lx_span file, uint64_t durable,
    void (*each)(void *arg, unsigned type, struct lx_span content), void *arg, struct lx_why *why)
{
        uint64_t at = LOG_HEAD;
        struct lx_span content;
        unsigned type;

        while (at < durable && at < file.len && read_record(journal, file, at, &type, &content))
                at += RECORD_HEAD + content.len;
        if (at != durable)
                return refuse(at, durable, why);
        journal->len = journal->synced = at;
        for (uint64_t pos = LOG_HEAD; pos < at && each != NULL; pos += RECORD_HEAD + content.len) {
                (void)read_record(journal, file, pos, &type, &content);
                each(arg, type, content);
        }
        if (at == file.len)
                return LX_OK;
        return journal->storage->cut(journal->storage->arg, LOG, at);
}

static enum lx_err
load_log(struct ledger_journal *journal, const struct ledger_sign_record *record, bool found,
    void (*each)(void *arg, unsigned type, struct lx_span content), void *arg, struct lx_why *why)
{
        struct lx_buf file = {0};
        uint64_t durable = LOG_HEAD;
        enum lx_err err = journal->storage->read(journal->storage->arg, LOG, &file);

        if (err == LX_ERR_ABSENT) {
                lx_buf_clear(&file);
                return new_log(journal, found ? record->log_number + 1 : 1);
        }
        if (err == LX_OK && (file.len < LOG_HEAD || memcmp(file.p, MAGIC, 8) != 0)) /* public */
                err = refuse(0, LOG_HEAD, why);
        if (err == LX_OK) {
                journal->number = lx_get_be64(file.p + 8);
                if (found && record->log_number == journal->number)
                        durable = record->log_len;
                err = scan(journal, lx_buf_span(&file), durable, each, arg, why);
        }
        lx_buf_clear(&file);
        return err;
}

enum lx_err
ledger_journal_open(const struct ledger_storage *storage,
    void (*each)(void *arg, unsigned type, struct lx_span content), void *arg,
    struct ledger_sign_record *out_record, bool *out_found, struct ledger_journal **out_journal,
    struct lx_why *why)
{
        struct ledger_journal *journal = lx_alloc(sizeof(*journal));
        struct ledger_sign_record record = {.height = 0};
        bool found = false;
        enum lx_err err;

        journal->storage = storage;
        record.state.locked_round = record.state.valid_round = LEDGER_NO_ROUND;
        err = load_record(journal, &record, &found, why);
        if (err == LX_OK)
                err = load_log(journal, &record, found, each, arg, why);
        if (err != LX_OK) {
                lx_why_set(why, "the journal of the validator can't be opened: %s",
                    lx_err_text(err));
                lx_free(journal);
                return err;
        }
        *out_record = record;
        *out_found = found;
        *out_journal = journal;
        return LX_OK;
}

void
ledger_journal_close(struct ledger_journal *journal)
{
        lx_free(journal);
}
