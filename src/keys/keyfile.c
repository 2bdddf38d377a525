/* keys/keyfile.c - see keys/keyfile.h. */
#include "config.h"
#include "keys/keyfile.h"

#include "base/buf.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/tags.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 512
#define HEX_LEN (2 * LX_SECKEY_LEN)

static const char *const KIND_NAMES[] = {"validator", "node", "device", "eid"};

bool
keys_kind_named(const char *name, enum keys_kind *out_kind)
{
        for (size_t i = 0; i < sizeof(KIND_NAMES) / sizeof(KIND_NAMES[0]); i++)
                if (strcmp(name, KIND_NAMES[i]) == 0) {
                        *out_kind = (enum keys_kind)i;
                        return true;
                }
        return false;
}

const char *
keys_kind_name(enum keys_kind kind)
{
        return KIND_NAMES[kind];
}

enum lx_err
keys_file_generate(enum keys_kind kind, struct keys_file *out_file)
{
        struct keys_file file = {.kind = kind};
        enum lx_err err = lx_secret_init(&file.secret, LX_SECKEY_LEN);

        if (err != LX_OK)
                return err;
        do {
                lx_random(file.secret.p, file.secret.len);
        } while (lx_sign_pubkey(file.secret.p, &file.public) != LX_OK);
        *out_file = file;
        return LX_OK;
}

enum lx_err
keys_file_save(const struct keys_file *file, const char *path, struct lx_why *why)
{
        char secret[HEX_LEN + 1], public[HEX_LEN + 1], text[TEXT_MAX];
        enum lx_err err;
        int len;

        if (access(path, F_OK) == 0) {
                lx_why_set(why, "%s exists already; a key file is never overwritten", path);
                return LX_ERR_EXISTS;
        }
        lx_hex(file->secret.p, file->secret.len, secret);
        lx_hex(file->public.b, LX_PUBKEY_LEN, public);
        len = snprintf(text, sizeof(text), "lxnode-key 1\nkind %s\nsecret %s\npublic %s\n",
            keys_kind_name(file->kind), secret, public);
        err = lx_file_write(path, text, (size_t)len, 0600, why);
        lx_wipe(secret, sizeof(secret));
        lx_wipe(text, sizeof(text));
        return err;
}

/* The value of line "@key value" at *@at, moving past it; false: another line stands there. */
static bool
take_line(const char **at, const char *key, char *value, size_t cap)
{
        size_t key_len = strlen(key);
        const char *end = strchr(*at, '\n');
        size_t len;

        if (end == NULL || strncmp(*at, key, key_len) != 0 || (*at)[key_len] != ' ')
                return false;
        len = (size_t)(end - *at) - key_len - 1;
        if (len >= cap)
                return false;
        memcpy(value, *at + key_len + 1, len);
        value[len] = '\0';
        *at = end + 1;
        return true;
}

static bool
parse_text(const char *text, struct keys_file *file)
{
        char version[4], kind[16], secret[HEX_LEN + 1] = "", public[HEX_LEN + 1];
        struct lx_pubkey derived;
        bool ok = take_line(&text, "lxnode-key", version, sizeof(version)) &&
                  strcmp(version, "1") == 0 && take_line(&text, "kind", kind, sizeof(kind)) &&
                  keys_kind_named(kind, &file->kind) &&
                  take_line(&text, "secret", secret, sizeof(secret)) &&
                  take_line(&text, "public", public, sizeof(public)) && *text == '\0' &&
                  lx_unhex(secret, strlen(secret), file->secret.p, LX_SECKEY_LEN) &&
                  lx_unhex(public, strlen(public), file->public.b, LX_PUBKEY_LEN) &&
                  lx_sign_pubkey(file->secret.p, &derived) == LX_OK &&
                  memcmp(derived.b, file->public.b, LX_PUBKEY_LEN) == 0; /* public */

        lx_wipe(secret, sizeof(secret));
        return ok;
}

static enum lx_err
check_mode(const char *path, struct lx_why *why)
{
        struct stat st;

        if (stat(path, &st) != 0) {
                lx_why_set(why, "there is no key file %s", path);
                return LX_ERR_ABSENT;
        }
        if ((st.st_mode & 077) != 0) {
                lx_why_set(why, "others may read the key file %s: chmod 600 it", path);
                return LX_ERR_DENIED;
        }
        return LX_OK;
}

enum lx_err
keys_file_load(const char *path, struct keys_file *out_file, struct lx_why *why)
{
        struct keys_file file = {.kind = KEYS_VALIDATOR};
        struct lx_buf text = {0};
        enum lx_err err = check_mode(path, why);

        if (err == LX_OK)
                err = lx_file_read(path, TEXT_MAX, &text, why);
        if (err == LX_OK)
                err = lx_secret_init(&file.secret, LX_SECKEY_LEN);
        if (err == LX_OK && !parse_text(lx_buf_str(&text), &file)) {
                lx_why_set(why, "%s is not a key file, or its keys don't belong together", path);
                err = LX_ERR_FORMAT;
        }
        if (text.p != NULL)
                lx_wipe(text.p, text.len);
        lx_buf_clear(&text);
        if (err != LX_OK) {
                keys_file_clear(&file);
                return err;
        }
        *out_file = file;
        return LX_OK;
}

void
keys_file_clear(struct keys_file *file)
{
        lx_secret_clear(&file->secret);
}

static enum lx_err
derive_part(const struct keys_file *file, const char *part, struct lx_secret *out)
{
        struct lx_hash hash;
        enum lx_err err = lx_secret_init(out, LX_HASH_LEN);

        if (err != LX_OK)
                return err;
        lx_blake2b_keyed(&LX_TAG_KEY, file->secret.p, file->secret.len, part, strlen(part), &hash);
        memcpy(out->p, hash.b, LX_HASH_LEN);
        lx_wipe(&hash, sizeof(hash));
        return LX_OK;
}

enum lx_err
keys_file_chain(
    const struct keys_file *file, struct lx_secret *out_name_key, struct lx_secret *out_seed)
{
        struct lx_secret name_key;
        enum lx_err err = derive_part(file, "name", &name_key);

        if (err != LX_OK)
                return err;
        err = derive_part(file, "seed", out_seed);
        if (err != LX_OK) {
                lx_secret_clear(&name_key);
                return err;
        }
        *out_name_key = name_key;
        return LX_OK;
}
