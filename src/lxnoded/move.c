/* lxnoded/move.c - see lxnoded/move.h. */
#include "config.h"
#include "lxnoded/move.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "ledger/journal.h"
#include "lxnoded/setup.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECORD "sign"
#define LOG "wal"
#define MOVED "MOVED"
#define TAKEN "TAKEN"

static char *
join(const char *dir, const char *name)
{
        struct lx_buf buf = {0};
        char *path;

        lx_buf_printf(&buf, "%s/%s", dir, name);
        path = lx_strdup(lx_buf_str(&buf));
        lx_buf_clear(&buf);
        return path;
}

static bool
is_there(const char *dir, const char *name)
{
        char *path = join(dir, name);
        bool found = access(path, F_OK) == 0;

        lx_free(path);
        return found;
}

/* A line with the time into @dir/@name, durably. */
static enum lx_err
mark(const char *dir, const char *name, const char *where, struct lx_why *why)
{
        char *path = join(dir, name), when[25];
        struct lx_buf text = {0};
        enum lx_err err;

        lx_walltime_format(lx_clock_walltime(), when);
        lx_buf_printf(&text, "%s %s\n", when, where);
        err = lx_file_write(path, text.p, text.len, 0600, why);
        lx_buf_clear(&text);
        lx_free(path);
        return err;
}

/* The log first: a directory without the record is one whose copying was cut short. */
static enum lx_err
copy_files(struct ledger_storage *in, struct ledger_storage *out, const char *to, struct lx_why *why)
{
        static const char *const NAMES[] = {LOG, RECORD};
        enum lx_err err = LX_OK;

        for (size_t i = 0; i < 2 && err == LX_OK; i++) {
                struct lx_buf bytes = {0};

                err = in->read(in->arg, NAMES[i], &bytes);
                if (err == LX_OK)
                        err = out->replace(out->arg, NAMES[i], bytes.p, bytes.len);
                else if (err == LX_ERR_ABSENT && i == 0)
                        err = LX_OK;
                if (err != LX_OK)
                        lx_why_set(why, "cannot copy the file %s to %s: %s", NAMES[i], to, lx_err_text(err));
                lx_buf_clear(&bytes);
        }
        return err;
}

static enum lx_err
copy_record(const char *from, const char *to, struct lx_why *why)
{
        struct ledger_storage in, out;
        enum lx_err err = ledger_storage_dir_open(from, &in, why);

        if (err != LX_OK)
                return err;
        err = ledger_storage_dir_open(to, &out, why);
        if (err == LX_OK) {
                err = copy_files(&in, &out, to, why);
                ledger_storage_dir_close(&out);
        }
        ledger_storage_dir_close(&in);
        return err;
}

enum lx_err
move_hand_over(const struct node_conf *conf, const char *to, struct lx_why *why)
{
        char *consensus = setup_path(conf, "consensus");
        enum lx_err err = LX_OK;

        if (!is_there(consensus, RECORD)) {
                lx_why_set(why, "no validator has signed from %s: there is nothing to hand over", conf->datadir);
                err = LX_ERR_ABSENT;
        } else if (is_there(to, TAKEN)) {
                lx_why_set(why, "%s was taken over already, on another machine", to);
                err = LX_ERR_EXISTS;
        }
        if (err == LX_OK)
                err = mark(conf->datadir, MOVED, to, why);
        if (err == LX_OK)
                err = copy_record(consensus, to, why);
        if (err == LX_OK)
                printf("handed over into %s\nthis data directory signs nothing any more; carry that directory and "
                    "the key file to the other machine\n", to);
        lx_free(consensus);
        return err;
}

enum lx_err
move_take_over(const struct node_conf *conf, const char *from, struct lx_why *why)
{
        char *consensus = setup_path(conf, "consensus");
        enum lx_err err = LX_OK;

        if (!is_there(from, RECORD)) {
                lx_why_set(why, "there is nothing handed over in %s (no file " RECORD ")", from);
                err = LX_ERR_ABSENT;
        } else if (is_there(from, TAKEN)) {
                lx_why_set(why, "%s was taken over already: a second one would sign twice. If that machine is gone for "
                    "good, start here without the record: it votes from the second height on", from);
                err = LX_ERR_EXISTS;
        } else if (is_there(consensus, RECORD) && !is_there(conf->datadir, MOVED)) {
                lx_why_set(why, "a validator has signed from %s already: take over into a data directory that was "
                    "restored or synced anew", conf->datadir);
                err = LX_ERR_EXISTS;
        }
        /* Marked first: a power cut now costs a copy by hand, never a second signature. */
        if (err == LX_OK)
                err = mark(from, TAKEN, conf->datadir, why);
        if (err == LX_OK)
                err = copy_record(from, consensus, why);
        if (err == LX_OK && is_there(conf->datadir, MOVED)) { /* it comes back */
                char *moved = setup_path(conf, MOVED);

                (void)unlink(moved);
                lx_free(moved);
        }
        if (err == LX_OK)
                printf("taken over from %s\nstart lxnoded here with the validator's key\n", from);
        lx_free(consensus);
        return err;
}

enum lx_err
move_check(const struct node_conf *conf, struct lx_why *why)
{
        if (!is_there(conf->datadir, MOVED))
                return LX_OK;
        lx_why_set(why, "the validator of %s has moved to another machine (lxnoded --hand-over): signing here too "
            "would convict it. Start without validator-key, as a full node", conf->datadir);
        return LX_ERR_RULE;
}
