/* lxnoded/upgrade.c - see lxnoded/upgrade.h. */
#include "config.h"
#include "lxnoded/upgrade.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "lld/store.h"
#include "lxnoded/setup.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 256 /* bytes of VERSION and UPGRADE */

struct state {
        char from[40], to[40];
        int ready;
};

/* ---- the two files ------------------------------------------------------------------------------ */

static bool
exists(const struct node_conf *conf, const char *name)
{
        char *path = setup_path(conf, name);
        bool found = access(path, F_OK) == 0;

        lx_free(path);
        return found;
}

static void
read_text(const struct node_conf *conf, const char *name, struct lx_buf *out)
{
        char *path = setup_path(conf, name);

        if (lx_file_read(path, TEXT_MAX, out, NULL) != LX_OK)
                lx_buf_reset(out);
        lx_free(path);
}

static enum lx_err
write_text(const struct node_conf *conf, const char *name, const char *text, struct lx_why *why)
{
        char *path = setup_path(conf, name);
        enum lx_err err = lx_file_write(path, text, strlen(text), 0644, why);

        lx_free(path);
        return err;
}

static void
forget(const struct node_conf *conf, const char *name)
{
        char *path = setup_path(conf, name);

        (void)unlink(path);
        lx_free(path);
}

/* Versions before 0.1.0's first release wrote no VERSION. */
static void
read_version(const struct node_conf *conf, char out[40])
{
        struct lx_buf text = {0};

        read_text(conf, "VERSION", &text);
        if (sscanf(lx_buf_str(&text), "lxnoded %39[0-9A-Za-z.+~-]", out) != 1)
                (void)snprintf(out, 40, "unnamed");
        lx_buf_clear(&text);
}

static bool
read_state(const struct node_conf *conf, struct state *out)
{
        struct lx_buf text = {0};
        bool found;

        read_text(conf, "UPGRADE", &text);
        found = sscanf(lx_buf_str(&text), "from %39s\nto %39s\nready %d", out->from, out->to, &out->ready) == 3;
        lx_buf_clear(&text);
        return found;
}

static enum lx_err
write_state(const struct node_conf *conf, const char *from, int ready, struct lx_why *why)
{
        char text[TEXT_MAX];

        (void)snprintf(text, sizeof(text), "from %s\nto %s\nready %d\n", from, PACKAGE_VERSION, ready);
        return write_text(conf, "UPGRADE", text, why);
}

/* ---- forward ------------------------------------------------------------------------------------ */

/* The same version again: after a start that became ready, that is what confirms. */
static void
confirm(const struct node_conf *conf, const struct state *state)
{
        lld_drop_kept(conf->datadir, UPGRADE_COPY);
        forget(conf, "UPGRADE");
        log_notice(NODE, "the upgrade is confirmed", "from=%s to=%s copy=%s", state->from, state->to, "removed");
}

static enum lx_err
keep(const struct node_conf *conf, const char *from, struct lx_why *why)
{
        enum lx_err err = lld_keep(conf->datadir, UPGRADE_COPY, why);

        if (err == LX_OK)
                err = write_state(conf, from, 0, why);
        if (err != LX_OK) {
                struct lx_why was = *why;

                lx_why_replace(why, "the store of lxnoded %s is left untouched, for it cannot be kept before "
                    "this version opens it: %.300s", from, was.text[0] != '\0' ? was.text : lx_err_text(err));
                return err;
        }
        log_notice(NODE, "another version opens this store; it is kept as it was",
            "from=%s to=%s copy=%s/" UPGRADE_COPY " back=\"lxnoded --rollback\" "
            "until=\"the start after the first good one\"", from, PACKAGE_VERSION, conf->datadir);
        return LX_OK;
}

enum lx_err
upgrade_begin(const struct node_conf *conf, struct upgrade *out_upgrade, struct lx_why *why)
{
        struct state state = {.ready = 0};
        bool pending = read_state(conf, &state);
        char version[40];

        *out_upgrade = (struct upgrade){.open = false};
        if (!exists(conf, "FORMAT"))
                return LX_OK;
        read_version(conf, version);
        if (pending && state.ready == 1 && strcmp(version, PACKAGE_VERSION) == 0 &&
            strcmp(state.to, PACKAGE_VERSION) == 0)
                return LX_OK; /* confirmed once the store is open */
        if (!pending && strcmp(version, PACKAGE_VERSION) == 0)
                return LX_OK;
        out_upgrade->open = true;
        (void)snprintf(out_upgrade->from, sizeof(out_upgrade->from), "%s", pending ? state.from : version);
        if (pending && strcmp(state.to, PACKAGE_VERSION) == 0 && exists(conf, UPGRADE_COPY))
                return LX_OK;
        return keep(conf, out_upgrade->from, why); /* an older copy that was never confirmed stays */
}

enum lx_err
upgrade_opened(const struct node_conf *conf, const struct upgrade *upgrade, struct lx_why *why)
{
        struct state state;
        char version[40];

        read_version(conf, version);
        if (!upgrade->open && read_state(conf, &state))
                confirm(conf, &state);
        return strcmp(version, PACKAGE_VERSION) == 0
            ? LX_OK : write_text(conf, "VERSION", "lxnoded " PACKAGE_VERSION "\n", why);
}

void
upgrade_ready(const struct node_conf *conf, const struct upgrade *upgrade)
{
        struct lx_why why = {{0}};

        if (upgrade->open && write_state(conf, upgrade->from, 1, &why) != LX_OK)
                log_warn(NODE, "the upgrade cannot be marked as good", "why=\"%s\" next=%s", why.text,
                    "the copy stays");
}

/* ---- back --------------------------------------------------------------------------------------- */

enum lx_err
upgrade_rollback(const struct node_conf *conf, bool solo, struct lx_why *why)
{
        char *kept = setup_path(conf, UPGRADE_COPY), text[TEXT_MAX];
        struct state state = {.ready = 0};
        uint64_t was = 0, is = 0;
        bool lossy = lld_sure_height(kept, &was) && lld_sure_height(conf->datadir, &is) && is > was;
        enum lx_err err;

        lx_free(kept);
        if (!read_state(conf, &state) || !exists(conf, UPGRADE_COPY)) {
                lx_why_set(why, "there is no copy from before an upgrade in %s: it went when a start confirmed "
                    "the upgrade. Restore a backup with lx restore", conf->datadir);
                return LX_ERR_ABSENT;
        }
        if (lossy && solo) {
                lx_why_set(why, "this node alone makes its chain's blocks: going back to height %llu would lose "
                    "those up to %llu, and fork whoever has them. Stay with this version, or upgrade to one that "
                    "mends what is wrong",
                    (unsigned long long)was, (unsigned long long)is);
                return LX_ERR_RULE;
        }
        err = lld_put_back(conf->datadir, UPGRADE_COPY, why);
        if (err == LX_OK) {
                (void)snprintf(text, sizeof(text), "lxnoded %s\n", state.from);
                err = write_text(conf, "VERSION", text, why);
        }
        if (err == LX_OK) {
                forget(conf, "UPGRADE");
                printf("the store is as lxnoded %s left it%s\nstart that version now\n", state.from,
                    lossy ? "; the blocks since come from its peers again" : "");
        }
        return err;
}
