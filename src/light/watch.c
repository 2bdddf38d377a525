/* light/watch.c - see light/watch.h. */
#include "config.h"
#include "light/watch.h"

#include "base/mem.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"
#include "sigchain/standard.h"

#include <arpa/inet.h>
#include <string.h>

enum lx_err
light_watch_read(
    const struct lx_hash_ops *ops, const char *text, struct light_entry *out_entry, struct lx_why *why)
{
        struct light_entry entry = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = LX_HASH_LEN};
        uint8_t eid[20] = {0};
        struct lx_hash address;

        if (strlen(text) == 2 * LX_HASH_LEN && lx_unhex(text, strlen(text), address.b, LX_HASH_LEN)) {
                /* as it is */
        } else if (strchr(text, ':') != NULL && inet_pton(AF_INET6, text, eid + 4) == 1) {
                sigchain_address(ops, SIGCHAIN_EID, eid, sizeof(eid), &address);
        } else if (sigchain_name_is_valid(LX_SPAN(text, strlen(text)))) {
                sigchain_address(ops, SIGCHAIN_NAME, text, strlen(text), &address);
        } else {
                lx_why_set(why, "--watch: \"%.70s\" is no address (64 hex digits), EID or name", text);
                return LX_ERR_USAGE;
        }
        memcpy(entry.key, address.b, LX_HASH_LEN);
        *out_entry = entry;
        return LX_OK;
}

bool
light_target_of(const struct light_entry *entry, struct lx_span value, struct light_entry *out_target)
{
        struct light_entry target = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = LX_HASH_LEN};
        struct sigchain_object *object;
        struct sigchain_register reg;
        const struct sigchain_field *field;
        bool found;

        if (entry->kind != SIGCHAIN_KIND_REGISTER || entry->key[0] != SIGCHAIN_NAME ||
            sigchain_register_decode(value.p, value.len, &reg) != LX_OK)
                return false;
        object = lx_alloc(sizeof(*object));
        found = sigchain_object_decode(reg.data, object) == LX_OK;
        field = found ? sigchain_object_find(object, "target") : NULL;
        found = field != NULL && field->type == SIGCHAIN_ADDRESS && field->bytes.len == LX_HASH_LEN &&
                field->bytes.p[0] != 0; /* 0: it points nowhere */
        if (found) {
                memcpy(target.key, field->bytes.p, LX_HASH_LEN);
                *out_target = target;
        }
        lx_free(object);
        return found;
}

/* Where a proven name points to. */
static bool
find_target(const struct light_item *item, struct light_entry *out)
{
        return item->proven && item->exists && light_target_of(&item->entry, lx_buf_span(&item->value), out);
}

/* For each entry of a manifest the three revocations that would take it back. */
struct revocations {
        struct light *light;
        struct lx_hash publisher;
};

static bool
watch_revocations(void *arg, uint32_t number, const struct sigchain_entry *e, struct lx_span raw)
{
        struct revocations *r = arg;
        const struct lx_hash *digests[3] = {&e->root, &e->sha256, &e->fsverity};
        struct light_entry entry = {.kind = SIGCHAIN_KIND_REVOKED, .key_len = 2 * LX_HASH_LEN};
        enum lx_err err = LX_OK;

        (void)number;
        (void)raw;
        memcpy(entry.key, r->publisher.b, LX_HASH_LEN);
        for (int i = 0; i < 3 && err == LX_OK; i++) {
                memcpy(entry.key + LX_HASH_LEN, digests[i]->b, LX_HASH_LEN);
                err = light_watch(r->light, &entry, NULL);
        }
        return err == LX_OK; /* a full list: the rest can't be answered, and says so */
}

static void
watch_release(struct light *light, size_t index)
{
        const struct light_item *item = light_item(light, index);
        struct revocations r = {.light = light};
        struct sigchain_register reg;
        struct lx_hash root;
        struct lx_span bytes;
        uint64_t len;
        uint32_t count;

        if (!light_is_release(item, &root, &len) ||
            sigchain_register_decode(item->value.p, item->value.len, &reg) != LX_OK)
                return;
        r.publisher = reg.owner;
        bytes = light_manifest(light, &root);
        if (bytes.p != NULL)
                (void)!sigchain_manifest_read(
                    &light_ops(light)->hash, bytes, watch_revocations, &r, &root, &count);
}

bool
light_watch_targets(struct light *light)
{
        size_t count = light_item_count(light);

        for (size_t i = 0; i < count; i++)
                watch_release(light, i);

        for (size_t i = 0; i < count; i++) {
                struct light_entry target;

                if (!find_target(light_item(light, i), &target))
                        continue;
                (void)!light_watch(light, &target, NULL); /* a full list: what was named comes first */
        }
        return light_item_count(light) > count;
}

bool
light_is_target(const struct light *light, const struct light_entry *entry)
{
        for (size_t i = 0; i < light_item_count(light); i++) {
                struct light_entry target;
                struct lx_hash root;
                uint64_t len;

                /* Of which release a revocation is: that is not looked at, as long as there is one. */
                if (entry->kind == SIGCHAIN_KIND_REVOKED && light_is_release(light_item(light, i), &root, &len))
                        return true;
                if (entry->kind == SIGCHAIN_KIND_REGISTER && find_target(light_item(light, i), &target) &&
                    memcmp(target.key, entry->key, LX_HASH_LEN) == 0) /* public */
                        return true;
        }
        return false;
}
