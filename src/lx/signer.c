/* lx/signer.c - secrets into signatures. */
#include "config.h"
#include "lx/signer.h"

#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "keys/keyfile.h"
#include "lx/check.h"
#include "lx/check_int.h"
#include "sigchain/params.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { ASK_COMMIT = 2, ASK_SIGN = 3 }; /* as agent.c */

/* ---- secrets ----------------------------------------------------------------------------------- */

void
lx_guard_secrets(void)
{
        struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

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
                lx_why_set(&lx->why, "there is no terminal to ask for \"%s\": use %s FILE "
                    "(mode 0600; line 1 password, line 2 PIN)", prompt,
                    lx->secret_option != NULL ? lx->secret_option : "--secret-file");
                return LX_ERR_USAGE;
        }
        (void)tcgetattr(tty, &before);
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(tty, TCSAFLUSH, &quiet);
        (void)dprintf(tty, "%s: ", prompt); /* only now: what comes after it is not flushed, nor shown */
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

        lx_guard_secrets();
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

/* The document must be the one that the chain id is the hash of; it is public, but names the KDF. */
static enum lx_err
read_genesis(struct lx *lx, const json_t *o, struct lx_hash *out_chain_id, struct lx_kdf *out_kdf)
{
        struct sigchain_genesis *genesis = lx_alloc(sizeof(*genesis));
        struct lx_buf bytes = {0};
        struct lx_hash told;
        enum lx_err err = LX_ERR_FORMAT;

        if (lx_check_hex(o, "bytes", &bytes) && lx_parse_hash(lx_str(o, "chain_id"), &told))
                err = sigchain_genesis_decode(bytes.p, bytes.len, genesis);
        if (err == LX_OK) {
                sigchain_chain_id(&lx_crypto_ops()->hash, bytes.p, bytes.len, out_chain_id);
                *out_kdf = (struct lx_kdf){
                    .mem_kib = (uint32_t)genesis->params.value[SIGCHAIN_KDF_NAME_MEM],
                    .passes = (uint32_t)genesis->params.value[SIGCHAIN_KDF_NAME_PASSES],
                    .lanes = 1};
                err = lx_hash_eq(&told, out_chain_id) ? LX_OK : LX_ERR_PROOF;
        }
        lx_buf_clear(&bytes);
        lx_free(genesis);
        return err == LX_OK
            ? LX_OK
            : lx_check_wrong(lx, "the node's genesis document is not the one of its chain id");
}

/* Whoever trusts a network talks about names and secrets to no other. */
static enum lx_err
check_network(struct lx *lx, const struct lx_hash *chain_id)
{
        struct lx_check check = {0};
        enum lx_err err = lx_check_begin(lx, &check) == LX_EXIT_TRUE ? LX_OK : LX_ERR_IO;

        if (err == LX_OK && check.anchored && !lx_hash_eq(&check.trust.chain_id, chain_id)) {
                lx_why_set(&lx->why, "this node is of another network than the one you trust");
                err = LX_ERR_UNTRUSTED;
        }
        lx_check_end(&check);
        return err;
}

enum lx_err
lx_network(struct lx *lx, struct lx_hash *out_chain_id, struct lx_kdf *out_kdf)
{
        json_t *o = NULL;
        enum lx_err err = rpcclient_call(lx->client, "chain.genesis", NULL, &o, &lx->why);

        if (err == LX_OK)
                err = read_genesis(lx, o, out_chain_id, out_kdf);
        if (err == LX_OK)
                err = check_network(lx, out_chain_id);
        /* Never below the floor, whatever a node says. */
        if (err == LX_OK && !lx_kdf_is_allowed(out_kdf)) {
                lx_why_set(&lx->why,
                    "the node's genesis document asks for weaker key derivation than lx accepts");
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
        enum lx_err err;

        lx_guard_secrets();
        err = keys_file_load(lx->key_file, &file, &lx->why);

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

/* What an unlocked seed is measured by: of the chain and its crypto register. */
struct account {
        struct lx_kdf kdf;
        uint64_t sequence;
        struct lx_hash next;
};

static enum lx_err
read_account(struct lx *lx, const char *name, const json_t *o, struct account *out)
{
        const json_t *crypto = json_object_get(o, "crypto");
        uint64_t mem = lx_num(crypto, "kdf_mem"), passes = lx_num(crypto, "kdf_passes");

        if (!json_is_true(json_object_get(o, "exists"))) {
                lx_why_set(&lx->why, "there is no profile %s: lx profile create %s", name, name);
                return LX_ERR_ABSENT;
        }
        out->kdf = (struct lx_kdf){.mem_kib = mem <= UINT32_MAX ? (uint32_t)mem : 0,
            .passes = passes <= UINT32_MAX ? (uint32_t)passes : 0,
            .lanes = (uint32_t)lx_num(crypto, "kdf_lanes")};
        out->sequence = lx_num(o, "sequence");
        if (!lx_kdf_is_allowed(&out->kdf)) {
                lx_why_set(&lx->why,
                    "the node names key-derivation parameters that lx does not accept (%llu KiB, %llu "
                    "passes; at least %u and %u): do not type secrets for this node",
                    (unsigned long long)mem, (unsigned long long)passes, LX_KDF_FLOOR_MEM_KIB,
                    LX_KDF_FLOOR_PASSES);
                return LX_ERR_WEAK;
        }
        return lx_parse_hash(lx_str(o, "next"), &out->next) ? LX_OK : LX_ERR_FORMAT;
}

/*
 * Where the user trusts a header, the parameters must be proven. Where nothing is trusted yet they are
 * the node's word, at or above the floor, and measure_seed keeps a wrong one from doing harm.
 */
static enum lx_err
get_account(struct lx *lx, const char *name, const struct lx_hash *genesis, struct account *out)
{
        struct lx_check check = {0};
        char hex[65];
        json_t *o = NULL;
        enum lx_err err = lx_check_begin(lx, &check) == LX_EXIT_TRUE ? LX_OK : LX_ERR_IO;

        if (err == LX_OK)
                err = rpcclient_call(lx->client, "profile.get",
                    json_pack("{s:s,s:b}", "genesis", lx_hex_of(genesis, hex), "prove", check.anchored),
                    &o, &lx->why);
        if (err == LX_OK && check.anchored && json_is_true(json_object_get(o, "exists")))
                err = lx_check_profile(lx, &check, genesis, o);
        if (err == LX_OK)
                err = read_account(lx, name, o, out);
        json_decref(o);
        lx_check_end(&check);
        return err;
}

/*
 * Nothing that the secrets gave leaves this process before the seed's key is the committed one: a
 * node that names weaker parameters than the profile has learns nothing from a signature.
 */
static enum lx_err
measure_seed(struct lx *lx, struct lx_signer *signer, const struct account *account)
{
        struct lx_hash commitment;
        enum lx_err err = lx_signer_commit(signer, account->sequence, &commitment, &lx->why);

        if (err == LX_OK && !lx_hash_eq(&commitment, &account->next)) {
                lx_why_set(&lx->why, "the password or PIN is wrong");
                err = LX_ERR_DENIED;
        }
        return err;
}

static enum lx_err
unlock_seed(struct lx *lx, struct lx_signer *s)
{
        struct lx_secret password = {0}, pin = {0};
        struct account account = {.sequence = 0};
        enum lx_err err = get_account(lx, s->name, &s->genesis, &account);

        if (err == LX_OK)
                err = lx_read_secrets(lx, false, &password, &pin);
        if (err == LX_OK)
                err = keys_derive_seed(&s->genesis, &password, &pin, &account.kdf, &s->seed);
        if (err == LX_ERR_NOMEM)
                lx_why_set(&lx->why, "not enough memory for the key derivation (%u MiB)",
                    account.kdf.mem_kib / 1024);
        lx_secret_clear(&password);
        lx_secret_clear(&pin);
        s->kdf = account.kdf;
        return err == LX_OK ? measure_seed(lx, s, &account) : err;
}

enum lx_err
lx_signer_unlock(struct lx *lx, const char *name, struct lx_signer *out_signer)
{
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
                err = unlock_seed(lx, s);
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
