/* lxnoded/setup.c - keys, genesis and cookie of a data directory. */
#include "config.h"
#include "lxnoded/setup.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/stream.h"
#include "ledger/genesis_json.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GENESIS_JSON_MAX (1u << 20)

char *
setup_path(const struct node_conf *conf, const char *name)
{
        struct lx_buf buf = {0};
        char *path;

        lx_buf_printf(&buf, "%s/%s", conf->datadir, name);
        path = lx_strdup(lx_buf_str(&buf));
        lx_buf_clear(&buf);
        return path;
}

/*
 * Whether the directory has a chain of one's own whose key is not there: backups hold no keys, and with a new
 * one nothing would ever be signed.
 */
static bool
lacks_key(const struct node_conf *conf, const char *key_path, struct lx_why *why)
{
        char *genesis = setup_path(conf, "genesis.json");
        bool lacks = access(genesis, F_OK) == 0 && access(key_path, F_OK) != 0;

        if (lacks)
                lx_why_set(why, "%s has a chain, and not the key that signs it: copy validator.key (and "
                    "node.key) from where it ran, or start without --dev to look at it", conf->datadir);
        lx_free(genesis);
        return lacks;
}

enum lx_err
setup_key(const struct node_conf *conf, struct keys_file *out_key, struct lx_why *why)
{
        char *path = conf->validator_key != NULL ? lx_strdup(conf->validator_key)
                                                 : setup_path(conf, "validator.key");
        enum lx_err err = LX_ERR_ABSENT;

        if (conf->validator_key != NULL || conf->dev)
                err = keys_file_load(path, out_key, conf->validator_key != NULL ? why : NULL);
        if (err == LX_ERR_ABSENT && conf->dev && conf->validator_key == NULL && lacks_key(conf, path, why)) {
                lx_free(path);
                return LX_ERR_DENIED;
        }
        if (err == LX_ERR_ABSENT && conf->dev && conf->validator_key == NULL) {
                err = keys_file_generate(KEYS_VALIDATOR, out_key);
                if (err == LX_OK)
                        err = keys_file_save(out_key, path, why);
        }
        if (err == LX_OK && out_key->kind != KEYS_VALIDATOR) {
                lx_why_set(why, "%s is no validator key", path);
                keys_file_clear(out_key);
                err = LX_ERR_FORMAT;
        }
        if (err != LX_OK && err != LX_ERR_ABSENT)
                lx_why_set(why, "cannot use the key %s: %s: put back your own copy of it", path,
                    lx_err_text(err));
        lx_free(path);
        return err;
}

/* A chain for one: named dev, the key its one validator, no fees, no empty blocks. */
static enum lx_err
make_dev_genesis(const struct node_conf *conf, const struct keys_file *key, struct lx_why *why)
{
        char *path = setup_path(conf, "genesis.json");
        char hex[LX_HEX_LEN(LX_PUBKEY_LEN)], when[25];
        struct lx_buf json = {0};
        enum lx_err err;

        lx_hex(key->public.b, LX_PUBKEY_LEN, hex);
        lx_walltime_format(lx_clock_walltime(), when);
        lx_buf_printf(&json, "{\n  \"network\": \"dev\",\n  \"time\": \"%s\",\n"
            "  \"parameters\": {\"heartbeat-ms\": 0},\n"
            "  \"validators\": [{\"name\": \"dev\", \"key\": \"%s\", \"power\": 1}],\n"
            "  \"allocations\": [],\n  \"eid_prefix\": \"fd00:6c78::/32\",\n  \"prefixes\": []\n}\n",
            when, hex);
        err = lx_file_write(path, json.p, json.len, 0644, why);
        lx_buf_clear(&json);
        lx_free(path);
        return err;
}

enum lx_err
setup_genesis(const struct node_conf *conf, const struct keys_file *key, struct lx_buf *out,
    struct lx_why *why)
{
        char *path = conf->genesis != NULL ? lx_strdup(conf->genesis) : setup_path(conf, "genesis.json");
        struct lx_buf json = {0};
        enum lx_err err = LX_OK;

        if (conf->dev && conf->genesis == NULL && access(path, F_OK) != 0)
                err = make_dev_genesis(conf, key, why);
        if (err == LX_OK)
                err = lx_file_read(path, GENESIS_JSON_MAX, &json, conf->genesis != NULL ? why : NULL);
        if (err == LX_OK)
                err = ledger_genesis_from_json((const char *)json.p, json.len, out, why);
        else if (err == LX_ERR_ABSENT && conf->genesis == NULL)
                err = LX_OK;
        if (err != LX_OK)
                lx_why_set(why, "cannot read the genesis document %s: %s", path, lx_err_text(err));
        lx_buf_clear(&json);
        lx_free(path);
        return err;
}

/* Where to listen or ask: NULL and "none" are nowhere. */
static enum lx_err
check_place(const char *option, const char *where, bool local, struct lx_why *why)
{
        struct io_addr addr;

        if (where == NULL || strcmp(where, "none") == 0)
                return LX_OK;
        if (!io_addr_parse(where, &addr)) {
                lx_why_set(why, "--%s: \"%.60s\" is not ADDRESS:PORT or [ADDRESS6]:PORT", option, where);
                return LX_ERR_USAGE;
        }
        if (local && !io_addr_is_local(&addr)) {
                lx_why_set(why, "--%s: %.60s is not of this machine alone (127.0.0.1, [::1]), and RPC is in "
                    "the clear: reach it through ssh", option, where);
                return LX_ERR_USAGE;
        }
        return LX_OK;
}

enum lx_err
setup_check_places(const struct node_conf *conf, struct lx_why *why)
{
        enum lx_err err = check_place("rpc-listen", conf->rpc_listen, true, why);

        if (err == LX_OK)
                err = check_place("listen", conf->listen, false, why);
        if (err == LX_OK)
                err = check_place("dns-listen", conf->dns_listen, false, why);
        return err == LX_OK ? check_place("dns-forward", conf->dns_forward, false, why) : err;
}

enum lx_err
setup_cookie(const struct node_conf *conf, struct lx_buf *out, struct lx_why *why)
{
        char *path = setup_path(conf, ".cookie");
        uint8_t random[32];
        char hex[LX_HEX_LEN(sizeof(random))];
        enum lx_err err;

        lx_random(random, sizeof(random));
        lx_hex(random, sizeof(random), hex);
        lx_buf_printf(out, "__cookie__:%s", hex);
        err = lx_file_write(path, out->p, out->len, 0600, why);
        lx_wipe(random, sizeof(random));
        lx_wipe(hex, sizeof(hex));
        lx_free(path);
        return err;
}

enum lx_err
setup_log(const struct node_conf *conf, struct lx_why *why)
{
        char spec[64];
        const char *at = conf->log;
        enum lx_err err = LX_OK;

        while (*at != '\0' && err == LX_OK) {
                size_t len = strcspn(at, ",");

                (void)snprintf(spec, sizeof(spec), "%.*s", (int)(len < 63 ? len : 63), at);
                if (lx_log_set_level(spec) != LX_OK) {
                        lx_why_set(why, "log: \"%s\" is no LEVEL or LEVEL:CATEGORY", spec);
                        err = LX_ERR_USAGE;
                }
                at += len;
                at += *at == ',';
        }
        if (err == LX_OK && lx_log_open(conf->log_file) != LX_OK) {
                lx_why_set(why, "cannot write the log file %s", conf->log_file);
                err = LX_ERR_IO;
        }
        return err;
}

void
setup_notify(const char *state)
{
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        size_t len = path != NULL ? strlen(path) : 0;
        int fd;

        if (len == 0 || len >= sizeof(addr.sun_path))
                return;
        memcpy(addr.sun_path, path, len);
        if (path[0] == '@')
                addr.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
        (void)close(fd);
}

uint64_t
setup_watchdog_ms(void)
{
        const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

        if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != (long long)getpid()))
                return 0;
        return strtoull(usec, NULL, 10) / 1000 / 2;
}
