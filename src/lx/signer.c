/* lx/signer.c - secrets into signatures. */
#include "config.h"
#include "lx/signer.h"

#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "keys/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { ASK_COMMIT = 2, ASK_SIGN = 3 }; /* as agent.c */

/* ---- secrets ----------------------------------------------------------------------------------- */

static enum lx_err
take_line(struct lx *lx, int fd, size_t max, const char *what, struct lx_secret *out)
{
        struct lx_secret line;
        size_t len = 0;
        char c;
        ssize_t n;

        if (lx_secret_init(&line, max + 1) != LX_OK)
                return LX_ERR_NOMEM;
        while ((n = read(fd, &c, 1)) == 1 && c != '\n' && len <= max)
                line.p[len++] = (uint8_t)c;
        if (len > max || (n <= 0 && len == 0)) {
                lx_why_set(&lx->why, len > max ? "the %s is longer than %zu bytes" :
                    "the %s is missing", what, max);
                lx_secret_clear(&line);
                return LX_ERR_USAGE;
        }
        if (lx_secret_init(out, len > 0 ? len : 1) != LX_OK) {
                lx_secret_clear(&line);
                return LX_ERR_NOMEM;
        }
        memcpy(out->p, line.p, len);
        out->len = len;
        lx_secret_clear(&line);
        return LX_OK;
}

static enum lx_err
type_line(struct lx *lx, const char *prompt, size_t max, struct lx_secret *out)
{
        int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
        struct termios before, quiet;
        enum lx_err err;

        if (tty < 0) {
                lx_why_set(&lx->why, "there is no terminal to ask for the %s: use --secret-file FILE "
                    "(mode 0600; line 1 password, line 2 PIN)", prompt);
                return LX_ERR_USAGE;
        }
        (void)dprintf(tty, "%s: ", prompt);
        (void)tcgetattr(tty, &before);
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(tty, TCSAFLUSH, &quiet);
        err = take_line(lx, tty, max, prompt, out);
        (void)tcsetattr(tty, TCSAFLUSH, &before);
        (void)dprintf(tty, "\n");
        (void)close(tty);
        return err;
}

static enum lx_err
read_secret_file(struct lx *lx, struct lx_secret *out_password, struct lx_secret *out_pin)
{
        int fd = open(lx->secret_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;
        enum lx_err err;

        if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
                lx_why_set(&lx->why, "cannot read %s: %s", lx->secret_file,
                    fd < 0 ? strerror(errno) : "no regular file");
                if (fd >= 0)
                        (void)close(fd);
                return LX_ERR_IO;
        }
        if ((st.st_mode & 077) != 0) {
                lx_why_set(&lx->why, "%s may be read by others: chmod 600 it", lx->secret_file);
                (void)close(fd);
                return LX_ERR_DENIED;
        }
        err = take_line(lx, fd, KEYS_PASSWORD_MAX, "password", out_password);
        if (err == LX_OK)
                err = take_line(lx, fd, KEYS_PIN_MAX, "PIN", out_pin);
        (void)close(fd);
        return err;
}

static enum lx_err
type_again(struct lx *lx, const struct lx_secret *first, const char *prompt, size_t max)
{
        struct lx_secret again = {0};
        enum lx_err err = type_line(lx, prompt, max, &again);

        if (err == LX_OK && (again.len != first->len || !lx_ct_equal(again.p, first->p, first->len))) {
                lx_why_set(&lx->why, "the two do not agree");
                err = LX_ERR_USAGE;
        }
        lx_secret_clear(&again);
        return err;
}

enum lx_err
lx_read_secrets(
    struct lx *lx, bool twice, struct lx_secret *out_password, struct lx_secret *out_pin)
{
        struct lx_secret password = {0}, pin = {0};
        enum lx_err err;

        if (lx->secret_file != NULL) {
                err = read_secret_file(lx, &password, &pin);
        } else {
                err = type_line(lx, "Password", KEYS_PASSWORD_MAX, &password);
                if (err == LX_OK && twice)
                        err = type_again(lx, &password, "Password again", KEYS_PASSWORD_MAX);
                if (err == LX_OK)
                        err = type_line(lx, "PIN", KEYS_PIN_MAX, &pin);
                if (err == LX_OK && twice)
                        err = type_again(lx, &pin, "PIN again", KEYS_PIN_MAX);
        }
        if (err != LX_OK) {
                lx_secret_clear(&password);
                lx_secret_clear(&pin);
                return err;
        }
        *out_password = password;
        *out_pin = pin;
        return LX_OK;
}

/* ---- signers ----------------------------------------------------------------------------------- */

enum lx_err
lx_network(struct lx *lx, struct lx_hash *out_chain_id, struct lx_kdf *out_kdf)
{
        json_t *o = NULL, *params;
        enum lx_err err =
            rpcclient_call(lx->client, "chain.genesis", NULL, &o, &lx->why);

        if (err != LX_OK)
                return err;
        params = json_object_get(json_object_get(o, "document"), "parameters");
        *out_kdf = (struct lx_kdf){.mem_kib = (uint32_t)lx_num(params, "kdf-name-mem"),
            .passes = (uint32_t)lx_num(params, "kdf-name-passes"), .lanes = 1};
        /* Never below the floor, whatever a node says. */
        if (!lx_parse_hash(lx_str(o, "chain_id"), out_chain_id) || !lx_kdf_is_allowed(out_kdf)) {
                lx_why_set(&lx->why, "the node's genesis document asks for weaker key derivation than "
                    "lx accepts");
                err = LX_ERR_WEAK;
        }
        json_decref(o);
        return err;
}

static enum lx_err
genesis_of(const struct lx_secret *name_key, struct lx_hash *out)
{
        struct lx_pubkey public;
        enum lx_err err = keys_public(name_key, &public, NULL);

        if (err == LX_OK)
                sigchain_genesis_id(&lx_crypto_ops()->hash, &public, out);
        return err;
}

static enum lx_err
open_key_file(struct lx *lx, struct lx_signer *signer)
{
        struct keys_file file = {0};
        struct lx_kdf unused;
        enum lx_err err = keys_file_load(lx->key_file, &file, &lx->why);

        if (err == LX_OK && file.kind != KEYS_DEVICE) {
                lx_why_set(&lx->why, "%s is a %s key; signature chains need a device key "
                    "(lx keygen device FILE)", lx->key_file, keys_kind_name(file.kind));
                err = LX_ERR_FORMAT;
        }
        if (err == LX_OK)
                err = keys_file_chain(&file, &signer->name_key, &signer->seed);
        if (err == LX_OK)
                err = genesis_of(&signer->name_key, &signer->genesis);
        if (err == LX_OK)
                err = lx_network(lx, &signer->chain_id, &unused);
        keys_file_clear(&file);
        return err;
}

enum lx_err
lx_signer_open(struct lx *lx, struct lx_signer *out_signer)
{
        enum lx_err err;

        *out_signer = (struct lx_signer){.agent = -1};
        if (lx->key_file != NULL)
                err = open_key_file(lx, out_signer);
        else
                err = lx_agent_connect(lx, out_signer);
        if (err == LX_ERR_ABSENT && lx->key_file == NULL)
                lx_why_set(&lx->why, "nobody is logged in: lx login NAME (or --key-file FILE)");
        if (err != LX_OK)
                lx_signer_clear(out_signer);
        return err;
}

/* The parameters of the seed's Argon2id: of the chain's crypto register. */
static enum lx_err
seed_kdf(struct lx *lx, const char *name, const struct lx_hash *genesis, struct lx_kdf *out_kdf)
{
        char hex[65];
        json_t *o = NULL, *crypto;
        enum lx_err err = rpcclient_call(lx->client, "profile.get",
            json_pack("{s:s}", "genesis", lx_hex_of(genesis, hex)), &o, &lx->why);

        if (err != LX_OK)
                return err;
        crypto = json_object_get(o, "crypto");
        if (!json_is_true(json_object_get(o, "exists"))) {
                lx_why_set(&lx->why, "there is no profile %s: lx profile create %s", name, name);
                err = LX_ERR_ABSENT;
        } else {
                *out_kdf = (struct lx_kdf){.mem_kib = (uint32_t)lx_num(crypto, "kdf_mem"),
                    .passes = (uint32_t)lx_num(crypto, "kdf_passes"),
                    .lanes = (uint32_t)lx_num(crypto, "kdf_lanes")};
                if (!lx_kdf_is_allowed(out_kdf)) {
                        lx_why_set(&lx->why, "the node names key-derivation parameters that lx does not "
                            "accept: do not type secrets for this node");
                        err = LX_ERR_WEAK;
                }
        }
        json_decref(o);
        return err;
}

enum lx_err
lx_signer_unlock(struct lx *lx, const char *name, struct lx_signer *out_signer)
{
        struct lx_secret password = {0}, pin = {0};
        struct lx_kdf kdf;
        struct lx_signer *s = out_signer;
        enum lx_err err = keys_check_name(name, &lx->why);

        *s = (struct lx_signer){.agent = -1};
        if (err != LX_OK)
                return err;
        (void)snprintf(s->name, sizeof(s->name), "%s", name);
        err = lx_network(lx, &s->chain_id, &kdf);
        if (err == LX_OK)
                err = keys_derive_name(&s->chain_id, name, &kdf, &s->name_key);
        if (err == LX_OK)
                err = genesis_of(&s->name_key, &s->genesis);
        if (err == LX_OK)
                err = seed_kdf(lx, name, &s->genesis, &kdf);
        if (err == LX_OK)
                err = lx_read_secrets(lx, false, &password, &pin);
        if (err == LX_OK)
                err = keys_derive_seed(&s->genesis, &password, &pin, &kdf, &s->seed);
        if (err == LX_ERR_NOMEM)
                lx_why_set(&lx->why, "not enough memory for the key derivation (%u MiB)", kdf.mem_kib / 1024);
        lx_secret_clear(&password);
        lx_secret_clear(&pin);
        if (err != LX_OK)
                lx_signer_clear(s);
        return err;
}

void
lx_signer_clear(struct lx_signer *signer)
{
        lx_secret_clear(&signer->seed);
        lx_secret_clear(&signer->name_key);
        if (signer->agent >= 0)
                (void)close(signer->agent);
        signer->agent = -1;
}

enum lx_err
lx_signer_commit(struct lx_signer *signer, uint64_t sequence, struct lx_hash *out, struct lx_why *why)
{
        struct lx_secret key = {0};
        uint8_t answer[96];
        enum lx_err err;

        if (signer->agent >= 0) {
                err = lx_agent_ask(signer, ASK_COMMIT, sequence, NULL, answer, why);
                if (err == LX_OK)
                        memcpy(out->b, answer, LX_HASH_LEN);
                return err;
        }
        err = keys_derive_chain(&signer->seed, sequence, &key);
        if (err == LX_OK)
                err = keys_public(&key, NULL, out);
        lx_secret_clear(&key);
        return err;
}

enum lx_err
lx_signer_sign(struct lx_signer *signer, uint64_t sequence, const struct lx_hash *msg,
    struct lx_pubkey *out_key, struct lx_sig *out_sig, struct lx_why *why)
{
        struct lx_secret key = {0};
        uint8_t answer[96], aux[32];
        enum lx_err err;

        if (signer->agent >= 0) {
                err = lx_agent_ask(signer, ASK_SIGN, sequence, msg, answer, why);
                if (err == LX_OK) {
                        memcpy(out_key->b, answer, LX_PUBKEY_LEN);
                        memcpy(out_sig->b, answer + LX_PUBKEY_LEN, LX_SIG_LEN);
                }
                return err;
        }
        err = keys_derive_chain(&signer->seed, sequence, &key);
        if (err == LX_OK)
                err = keys_public(&key, out_key, NULL);
        lx_random(aux, sizeof(aux));
        if (err == LX_OK)
                err = lx_sign(key.p, msg, aux, out_sig);
        lx_secret_clear(&key);
        return err;
}
