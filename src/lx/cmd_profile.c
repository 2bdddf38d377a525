/* lx/cmd_profile.c - profiles, sessions, key files, genesis documents. */
#include "config.h"
#include "lx/check.h"
#include "lx/wallet.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "keys/keyfile.h"
#include "keys/words.h"
#include "sigchain/apply.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KDF_USUAL ((struct lx_kdf){256 * 1024, LX_KDF_FLOOR_PASSES, 1})
#define SESSION_S (15 * 60)

static int
fail(struct lx *lx, enum lx_err err)
{
        return lx_fail(lx, rpcclient_was_refused(lx->client) ? LX_EXIT_REFUSED : lx_exit_of(err), "%s",
            lx->why.text[0] != '\0' ? lx->why.text : lx_err_text(err));
}

/* ---- names to genesis ids ---------------------------------------------------------------------- */

/* A user name's id costs one Argon2id. */
int
lx_resolve_genesis(struct lx *lx, const char *who, struct lx_hash *out)
{
        struct lx_hash chain_id;
        struct lx_secret key = {0};
        struct lx_pubkey public;
        struct lx_kdf kdf;
        enum lx_err err;

        if (lx_parse_hash(who, out))
                return LX_EXIT_TRUE;
        err = keys_check_name(who, &lx->why);
        if (err == LX_OK)
                err = lx_network(lx, &chain_id, &kdf);
        if (err == LX_OK)
                err = keys_derive_name(&chain_id, who, &kdf, &key);
        if (err == LX_OK)
                err = keys_public(&key, &public, NULL);
        if (err == LX_OK)
                sigchain_genesis_id(&lx_crypto_ops()->hash, &public, out);
        lx_secret_clear(&key);
        return err == LX_OK ? LX_EXIT_TRUE : fail(lx, err);
}

static int
is_there(struct lx *lx, const struct lx_hash *genesis, bool *out_there)
{
        char hex[65];
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;

        if (!lx_call(lx, "profile.get", json_pack("{s:s}", "genesis", lx_hex_of(genesis, hex)), &o, &status))
                return status;
        *out_there = json_is_true(json_object_get(o, "exists"));
        json_decref(o);
        return LX_EXIT_TRUE;
}

int
lx_resolve_profile(struct lx *lx, const char *who, struct lx_hash *out)
{
        bool there = true;
        int status = lx_resolve_genesis(lx, who, out);

        if (status == LX_EXIT_TRUE && !lx_parse_hash(who, out))
                status = is_there(lx, out, &there);
        if (status == LX_EXIT_TRUE && !there)
                return lx_fail(lx, LX_EXIT_USAGE, "there is no profile %s, and whoever creates it would be meant: "
                    "name one that is there (or a genesis id)", who);
        return status;
}

/* ---- creating ---------------------------------------------------------------------------------- */

struct recovery {
        struct lx_secret entropy;
        struct lx_hash hash; /* commitment to its key number use */
};

static enum lx_err
make_recovery(const struct lx_hash *genesis, uint64_t use, struct recovery *out)
{
        struct lx_secret key = {0};
        enum lx_err err = lx_secret_init(&out->entropy, KEYS_ENTROPY_LEN);

        if (err == LX_OK) {
                lx_random(out->entropy.p, out->entropy.len);
                err = keys_derive_recovery(&out->entropy, genesis, use, &key);
        }
        if (err == LX_OK)
                err = keys_public(&key, NULL, &out->hash);
        lx_secret_clear(&key);
        return err;
}

static void
show_words(const struct recovery *recovery)
{
        char phrase[KEYS_PHRASE_MAX];

        keys_words_encode(recovery->entropy.p, phrase);
        (void)fprintf(stderr, "Recovery words, shown this once. Write them down; with them alone you regain "
            "control:\n\n  %s\n\n", phrase);
        lx_wipe(phrase, sizeof(phrase));
}

/* The work that a new chain shows, when the network asks for some. */
static enum lx_err
find_stamp(struct lx *lx, const struct lx_signer *signer, uint64_t *out_stamp)
{
        json_t *o = NULL;
        uint64_t bits;
        enum lx_err err = rpcclient_call(lx->client, "chain.params", NULL, &o, &lx->why);

        if (err != LX_OK)
                return err;
        bits = lx_num(json_object_get(o, "params"), "stamp-bits");
        json_decref(o);
        *out_stamp = 0;
        while (sigchain_stamp_bits(&lx_crypto_ops()->hash, &signer->chain_id, &signer->genesis,
                   *out_stamp) < bits)
                (*out_stamp)++;
        return LX_OK;
}

static enum lx_err
create_chain(struct lx *lx, struct lx_signer *signer, const struct lx_kdf *kdf,
    const struct recovery *recovery, struct lx_receipt *out_receipt)
{
        static const struct lx_hash none = {{0}};
        struct sigchain_object *o = lx_alloc(sizeof(*o));
        struct lx_ops *ops = lx_alloc(sizeof(*ops));
        struct lx_submit_how how = {.first = true};
        uint64_t stamp = 0;
        enum lx_err err = find_stamp(lx, signer, &stamp);

        lx_field_u64(o, "kind", SIGCHAIN_FIXED, recovery != NULL ? 1 : 2);
        lx_field_u64(o, "kdf_mem", SIGCHAIN_MUTABLE, kdf->mem_kib);
        lx_field_u64(o, "kdf_passes", SIGCHAIN_MUTABLE, kdf->passes);
        lx_field_u64(o, "kdf_lanes", SIGCHAIN_MUTABLE, kdf->lanes);
        lx_field_hash(o, "recovery", SIGCHAIN_HASH, SIGCHAIN_SYSTEM,
            recovery != NULL ? &recovery->hash : &none);
        lx_field_u64(o, "recovery_use", SIGCHAIN_SYSTEM, 0);
        lx_field_u64(o, "stamp", SIGCHAIN_FIXED, stamp);
        lx_ops_create(ops, SIGCHAIN_CRYPTO, o);
        if (err == LX_OK)
                err = lx_add_fee_account(lx, signer, ops);
        if (err == LX_OK)
                err = lx_submit(lx, signer, ops, &how, out_receipt);
        lx_ops_clear(ops);
        lx_free(ops);
        lx_free(o);
        return err;
}

static int
report_profile(struct lx *lx, const struct lx_signer *signer, const struct lx_receipt *receipt, const char *what)
{
        char hex[65];

        if (lx->json)
                lx_print_json(json_pack("{s:s,s:s,s:I}", "name", signer->name, "genesis",
                    lx_hex_of(&signer->genesis, hex), "height", (json_int_t)receipt->height));
        else
                printf("%s: genesis id %s, height %llu\n", what, lx_hex_of(&signer->genesis, hex),
                    (unsigned long long)receipt->height);
        return LX_EXIT_TRUE;
}

static int
create_from_key_file(struct lx *lx)
{
        struct lx_kdf kdf = {LX_KDF_FLOOR_MEM_KIB, LX_KDF_FLOOR_PASSES, 1};
        struct lx_signer signer;
        struct lx_receipt receipt;
        int status;
        enum lx_err err = lx_signer_open(lx, &signer);

        if (err != LX_OK)
                return fail(lx, err);
        err = create_chain(lx, &signer, &kdf, NULL, &receipt);
        status = err == LX_OK ? report_profile(lx, &signer, &receipt, "chain created") : fail(lx, err);
        lx_signer_clear(&signer);
        return status;
}

/* --kdf-memory, else @usual. */
static enum lx_err
kdf_option(struct lx *lx, struct lx_kdf usual, struct lx_kdf *out)
{
        const char *mib = lx_option(lx, "kdf-memory");
        uint64_t v;

        *out = usual;
        if (mib != NULL)
                out->mem_kib = lx_parse_number(mib, &v) && v < 1u << 20 ? (uint32_t)v * 1024 : 0;
        if (lx_kdf_is_allowed(out))
                return LX_OK;
        lx_why_set(&lx->why, "--kdf-memory is from %u to %u MiB", LX_KDF_FLOOR_MEM_KIB / 1024,
            LX_KDF_MAX_MEM_KIB / 1024);
        return LX_ERR_USAGE;
}

/* The name's key and id, then new secrets, checked for strength, into a seed. */
static enum lx_err
derive_new(struct lx *lx, const char *name, const struct lx_kdf *kdf, struct lx_signer *s)
{
        struct lx_secret password = {0}, pin = {0};
        struct lx_pubkey public;
        struct lx_kdf name_kdf;
        enum lx_err err = keys_check_name(name, &lx->why);

        *s = (struct lx_signer){.agent = -1};
        (void)snprintf(s->name, sizeof(s->name), "%.64s", name);
        if (err == LX_OK)
                err = lx_network(lx, &s->chain_id, &name_kdf);
        if (err == LX_OK)
                err = lx_read_secrets(lx, true, &password, &pin);
        if (err == LX_OK)
                err = keys_check_strength(name, &password, &pin, &lx->why);
        if (err == LX_OK)
                err = keys_derive_name(&s->chain_id, name, &name_kdf, &s->name_key);
        if (err == LX_OK)
                err = keys_public(&s->name_key, &public, NULL);
        if (err == LX_OK) {
                sigchain_genesis_id(&lx_crypto_ops()->hash, &public, &s->genesis);
                err = keys_derive_seed(&s->genesis, &password, &pin, kdf, &s->seed);
        }
        lx_secret_clear(&password);
        lx_secret_clear(&pin);
        if (err != LX_OK)
                lx_signer_clear(s);
        return err;
}

/* Before anybody thinks of a password for it. */
static int
refuse_taken(struct lx *lx, const char *name)
{
        struct lx_hash genesis;
        bool there = false;
        int status = lx_resolve_genesis(lx, name, &genesis);

        if (status == LX_EXIT_TRUE)
                status = is_there(lx, &genesis, &there);
        return there ? lx_fail(lx, LX_EXIT_REFUSED, "the profile exists already") : status;
}

int
cmd_profile_create(struct lx *lx)
{
        struct recovery recovery = {0};
        struct lx_signer signer;
        struct lx_receipt receipt;
        struct lx_kdf kdf;
        int status;
        enum lx_err err;

        if (lx->key_file != NULL)
                return create_from_key_file(lx);
        if (lx->arg_count == 0)
                return lx_fail(lx, LX_EXIT_USAGE, "usage: lx profile create NAME (or with --key-file FILE)");
        err = kdf_option(lx, KDF_USUAL, &kdf);
        if (err != LX_OK)
                return fail(lx, err);
        status = refuse_taken(lx, lx->args[0]);
        if (status != LX_EXIT_TRUE)
                return status;
        err = derive_new(lx, lx->args[0], &kdf, &signer);
        if (err != LX_OK)
                return fail(lx, err);
        err = make_recovery(&signer.genesis, 0, &recovery);
        if (err == LX_OK)
                err = create_chain(lx, &signer, &kdf, &recovery, &receipt);
        /* Also when the answer was lost: the chain may be there, and then these are its words. */
        if (recovery.entropy.p != NULL && err != LX_ERR_EXISTS &&
            (err == LX_OK || !rpcclient_was_refused(lx->client)))
                show_words(&recovery);
        if (err == LX_OK) {
                status = report_profile(lx, &signer, &receipt, "profile created");
        } else {
                status = fail(lx, err);
        }
        lx_secret_clear(&recovery.entropy);
        lx_signer_clear(&signer);
        return status;
}

static int
prove_profile(struct lx *lx, const struct lx_hash *genesis, json_t *o)
{
        struct lx_check check = {0};
        int status = lx_check_begin(lx, &check);

        if (status == LX_EXIT_TRUE && lx_check_profile(lx, &check, genesis, o) != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        json_object_del(o, "proof");
        lx_check_note(&check, o);
        lx_check_end(&check);
        return status;
}

int
cmd_profile_show(struct lx *lx)
{
        struct lx_signer signer;
        struct lx_hash genesis;
        char hex[65];
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;

        if (lx->arg_count == 1) {
                status = lx_resolve_genesis(lx, lx->args[0], &genesis);
        } else {
                enum lx_err err = lx_signer_open(lx, &signer);

                if (err != LX_OK)
                        return fail(lx, err);
                genesis = signer.genesis;
                lx_signer_clear(&signer);
        }
        if (status != LX_EXIT_TRUE ||
            !lx_call(lx, "profile.get", json_pack("{s:s,s:b}", "genesis", lx_hex_of(&genesis, hex), "prove",
                (int)lx->verify), &o, &status))
                return status;
        if (lx->verify) {
                status = prove_profile(lx, &genesis, o);
                if (status != LX_EXIT_TRUE) {
                        json_decref(o);
                        return status;
                }
        }
        status = json_is_true(json_object_get(o, "exists")) ? LX_EXIT_TRUE : LX_EXIT_FALSE;
        if (lx->json) {
                lx_print_json(o);
                return status;
        }
        if (status == LX_EXIT_TRUE)
                printf("genesis       %s\ntransactions  %llu\ncreated       height %llu\nmodified      height "
                       "%llu\nkey memory    %llu MiB\n", hex, (unsigned long long)lx_num(o, "sequence"),
                    (unsigned long long)lx_num(o, "created"), (unsigned long long)lx_num(o, "modified"),
                    (unsigned long long)lx_num(json_object_get(o, "crypto"), "kdf_mem") / 1024);
        else
                printf("there is no such profile (genesis id %s)\n", hex);
        json_decref(o);
        return status;
}

/* ---- changing ---------------------------------------------------------------------------------- */

static enum lx_err
crypto_address(const struct lx_hash *genesis, struct lx_hash *out)
{
        sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_CRYPTO, genesis->b, LX_HASH_LEN, out);
        return LX_OK;
}

static void
add_kdf_write(struct lx_ops *ops, const struct lx_hash *genesis, const struct lx_kdf *kdf,
    const struct lx_hash *recovery)
{
        struct sigchain_object *o = lx_alloc(sizeof(*o));
        struct lx_hash address;

        (void)crypto_address(genesis, &address);
        lx_field_u64(o, "kdf_mem", SIGCHAIN_MUTABLE, kdf->mem_kib);
        lx_field_u64(o, "kdf_passes", SIGCHAIN_MUTABLE, kdf->passes);
        lx_field_u64(o, "kdf_lanes", SIGCHAIN_MUTABLE, kdf->lanes);
        if (recovery != NULL)
                lx_field_hash(o, "recovery", SIGCHAIN_HASH, SIGCHAIN_SYSTEM, recovery);
        lx_ops_write(ops, &address, o);
        lx_free(o);
}

/* The new secrets come from --new-secret-file, or are typed. */
static enum lx_err
derive_next(struct lx *lx, const char *name, const struct lx_kdf *kdf, struct lx_signer *next)
{
        const char *before = lx->secret_file;
        enum lx_err err;

        lx->secret_file = lx_option(lx, "new-secret-file");
        lx->secret_option = "--new-secret-file";
        if (lx->secret_file == NULL)
                (void)fprintf(stderr, "The new password and PIN:\n");
        err = derive_new(lx, name, kdf, next);
        lx->secret_file = before;
        lx->secret_option = NULL;
        return err;
}

int
cmd_profile_passwd(struct lx *lx)
{
        struct lx_kdf kdf;
        struct lx_signer signer, next = {.agent = -1};
        struct lx_submit_how how = {.next = &next};
        struct lx_ops *ops;
        struct lx_receipt receipt;
        int status;
        enum lx_err err = lx_signer_unlock(lx, lx->args[0], &signer);

        if (err != LX_OK)
                return fail(lx, err);
        ops = lx_alloc(sizeof(*ops));
        err = kdf_option(lx, signer.kdf, &kdf);
        if (err == LX_OK)
                err = derive_next(lx, lx->args[0], &kdf, &next);
        if (err == LX_OK) {
                add_kdf_write(ops, &signer.genesis, &kdf, NULL);
                err = lx_submit(lx, &signer, ops, &how, &receipt);
        }
        status = err == LX_OK ? report_profile(lx, &signer, &receipt, "password changed") : fail(lx, err);
        lx_ops_clear(ops);
        lx_free(ops);
        lx_signer_clear(&next);
        lx_signer_clear(&signer);
        return status;
}

static enum lx_err
read_words(struct lx *lx, struct lx_secret *out_entropy)
{
        const char *path = lx_option(lx, "words-file");
        int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : 0;
        FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
        char phrase[KEYS_PHRASE_MAX + 64];
        struct stat st;
        size_t len;
        enum lx_err err;

        lx_guard_secrets();
        if (path != NULL && f != NULL && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)) {
                lx_why_set(&lx->why, S_ISREG(st.st_mode) ? "%s may be read by others: chmod 600 it"
                    : "%s is no regular file", path);
                (void)fclose(f);
                return LX_ERR_DENIED;
        }
        if (f == NULL) {
                lx_why_set(&lx->why, "cannot read %s", path);
                return LX_ERR_IO;
        }
        if (path == NULL)
                (void)fprintf(stderr, "The 24 recovery words, then Enter and Ctrl-D:\n");
        len = fread(phrase, 1, sizeof(phrase), f);
        if (path != NULL)
                (void)fclose(f);
        err = lx_secret_init(out_entropy, KEYS_ENTROPY_LEN);
        if (err == LX_OK)
                err = keys_words_decode(phrase, len, out_entropy->p, &lx->why);
        lx_wipe(phrase, sizeof(phrase));
        return err;
}

static enum lx_err
recovery_use(struct lx *lx, const struct lx_hash *genesis, uint64_t *out_use)
{
        char hex[65];
        json_t *o = NULL;
        enum lx_err err = rpcclient_call(lx->client, "profile.get",
            json_pack("{s:s}", "genesis", lx_hex_of(genesis, hex)), &o, &lx->why);

        if (err == LX_OK)
                *out_use = lx_num(json_object_get(o, "crypto"), "recovery_use");
        json_decref(o);
        return err;
}

/* The words of use n open key n; the next words are new, for use n + 1. */
int
cmd_profile_recover(struct lx *lx)
{
        struct lx_kdf kdf;
        struct lx_secret entropy = {0}, key = {0};
        struct recovery again = {0};
        struct lx_signer next = {.agent = -1};
        struct lx_submit_how how = {.next = &next, .recovery = &key};
        struct lx_ops *ops = lx_alloc(sizeof(*ops));
        struct lx_receipt receipt;
        uint64_t use = 0;
        int status;
        enum lx_err err = kdf_option(lx, KDF_USUAL, &kdf);

        if (err == LX_OK)
                err = read_words(lx, &entropy);
        if (err == LX_OK)
                err = derive_next(lx, lx->args[0], &kdf, &next);
        if (err == LX_OK)
                err = recovery_use(lx, &next.genesis, &use);
        if (err == LX_OK)
                err = keys_derive_recovery(&entropy, &next.genesis, use, &key);
        if (err == LX_OK)
                err = make_recovery(&next.genesis, use + 1, &again);
        if (err == LX_OK) {
                add_kdf_write(ops, &next.genesis, &kdf, &again.hash);
                err = lx_submit(lx, &next, ops, &how, &receipt);
        }
        if (again.entropy.p != NULL && (err == LX_OK || !rpcclient_was_refused(lx->client)))
                show_words(&again);
        if (err == LX_OK) {
                status = report_profile(lx, &next, &receipt, "profile recovered");
        } else {
                status = fail(lx, err);
        }
        lx_ops_clear(ops);
        lx_free(ops);
        lx_secret_clear(&entropy);
        lx_secret_clear(&key);
        lx_secret_clear(&again.entropy);
        lx_signer_clear(&next);
        return status;
}

/* ---- sessions ---------------------------------------------------------------------------------- */

int
cmd_login(struct lx *lx)
{
        struct lx_signer signer;
        uint64_t timeout_s;
        char hex[65];
        enum lx_err err;

        if (!lx_number_option(lx, "timeout", 1, 7 * 86400, SESSION_S, &timeout_s))
                return LX_EXIT_USAGE;
        err = lx_signer_unlock(lx, lx->args[0], &signer);
        if (err == LX_OK)
                err = lx_agent_start(lx, &signer, (unsigned)timeout_s);
        if (err != LX_OK) {
                lx_signer_clear(&signer);
                return fail(lx, err);
        }
        if (lx->json)
                lx_print_json(json_pack("{s:s,s:s}", "name", lx->args[0], "genesis",
                    lx_hex_of(&signer.genesis, hex)));
        else
                printf("logged in as %s (genesis id %s)\n", lx->args[0], lx_hex_of(&signer.genesis, hex));
        lx_signer_clear(&signer);
        return LX_EXIT_TRUE;
}

int
cmd_logout(struct lx *lx)
{
        enum lx_err err = lx_agent_stop(lx);

        if (lx->json)
                lx_print_json(json_pack("{s:b}", "logged_out", err == LX_OK));
        else
                printf(err == LX_OK ? "logged out\n" : "nobody was logged in\n");
        return LX_EXIT_TRUE;
}

/* ---- key files, genesis ------------------------------------------------------------------------ */

/* The genesis id that a device key's chain will have. */
static enum lx_err
device_genesis(const struct keys_file *file, struct lx_hash *out)
{
        struct lx_secret name_key = {0}, seed = {0};
        struct lx_pubkey public;
        enum lx_err err = keys_file_chain(file, &name_key, &seed);

        if (err == LX_OK)
                err = keys_public(&name_key, &public, NULL);
        if (err == LX_OK)
                sigchain_genesis_id(&lx_crypto_ops()->hash, &public, out);
        lx_secret_clear(&name_key);
        lx_secret_clear(&seed);
        return err;
}

int
cmd_keygen(struct lx *lx)
{
        struct keys_file file = {0};
        struct lx_hash genesis;
        enum keys_kind kind;
        char hex[65], id[65] = "";
        enum lx_err err;

        if (!keys_kind_named(lx->args[0], &kind))
                return lx_fail(lx, LX_EXIT_USAGE, "a key is for a validator, a node or a device");
        err = keys_file_generate(kind, &file);
        if (err == LX_OK)
                err = keys_file_save(&file, lx->args[1], &lx->why);
        lx_hex(file.public.b, LX_PUBKEY_LEN, hex);
        if (err == LX_OK && kind == KEYS_DEVICE) {
                err = device_genesis(&file, &genesis);
                if (err == LX_OK)
                        (void)lx_hex_of(&genesis, id);
        }
        keys_file_clear(&file);
        if (err != LX_OK)
                return lx_fail(lx, err == LX_ERR_EXISTS ? LX_EXIT_USAGE : LX_EXIT_IO, NULL);
        if (lx->json) {
                json_t *o = json_pack("{s:s,s:s,s:s}", "kind", lx->args[0], "file", lx->args[1], "public", hex);

                if (id[0] != '\0')
                        json_object_set_new(o, "genesis", json_string(id));
                lx_print_json(o);
        } else {
                printf("%s\n", hex);
        }
        return LX_EXIT_TRUE;
}

/* "NAME:PUBKEY:POWER"; NULL: it is none. */
static json_t *
validator_of(const char *v)
{
        const char *key = strchr(v, ':');
        struct lx_hash check;
        uint64_t power;
        char hex[65];

        if (key == NULL || strlen(key) < 67 || key[65] != ':' || !lx_parse_number(key + 66, &power) || power == 0)
                return NULL;
        (void)snprintf(hex, sizeof(hex), "%.64s", key + 1);
        if (!lx_parse_hash(hex, &check))
                return NULL;
        return json_pack("{s:s%,s:s,s:I}", "name", v, (size_t)(key - v), "key", hex, "power", (json_int_t)power);
}

/* "PREFIX:GENESIS-ID"; NULL: it is none. */
static json_t *
prefix_of(const char *v)
{
        const char *id = strrchr(v, ':');
        struct lx_hash check;

        if (id == NULL || !lx_parse_hash(id + 1, &check) || memchr(v, '/', (size_t)(id - v)) == NULL)
                return NULL;
        return json_pack("{s:i,s:s%,s:s}", "instance", 0, "prefix", v, (size_t)(id - v), "owner", id + 1);
}

/* The values of option @name, each read by @read, as an array; NULL: one is wrong, and was said to be. */
static json_t *
values_of(struct lx *lx, const char *name, const char *form, json_t *(*read)(const char *))
{
        json_t *all = json_array();

        for (int i = 0; i < lx->option_count; i++) {
                json_t *one;

                if (strcmp(lx->option[i].name, name) != 0)
                        continue;
                one = read(lx->option[i].value);
                if (one == NULL) {
                        json_decref(all);
                        (void)lx_fail(lx, LX_EXIT_USAGE, "--%s is %s, not %s", name, form, lx->option[i].value);
                        return NULL;
                }
                json_array_append_new(all, one);
        }
        return all;
}

int
cmd_genesis_create(struct lx *lx)
{
        const char *network = lx_option(lx, "network");
        json_t *validators = values_of(lx, "validator", "NAME:PUBKEY:POWER", validator_of), *prefixes, *o;
        char when[25];

        if (validators == NULL)
                return LX_EXIT_USAGE;
        prefixes = values_of(lx, "prefix", "PREFIX:GENESIS-ID", prefix_of);
        if (prefixes == NULL || json_array_size(validators) == 0) {
                json_decref(validators);
                json_decref(prefixes);
                return prefixes == NULL ? LX_EXIT_USAGE
                                        : lx_fail(lx, LX_EXIT_USAGE, "at least one --validator NAME:PUBKEY:POWER");
        }
        lx_walltime_format(lx_clock_walltime(), when);
        o = json_pack("{s:s,s:s,s:{},s:o,s:[],s:s,s:o}", "network", network != NULL ? network : "lx", "time",
            when, "parameters", "validators", validators, "allocations", "eid_prefix", "fd00:6c78::/32",
            "prefixes", prefixes);
        (void)json_dumpf(o, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(o);
        return LX_EXIT_TRUE;
}
