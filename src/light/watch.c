/* light/watch.c - see light/watch.h. */
#include "config.h"
#include "light/watch.h"

#include "base/mem.h"
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

/* Where a proven name points to; false: it is none, or points nowhere. */
static bool
find_target(const struct light_item *item, struct lx_hash *out)
{
        struct sigchain_object *object;
        struct sigchain_register reg;
        const struct sigchain_field *field;
        bool found;

        if (!item->proven || !item->exists || item->entry.kind != SIGCHAIN_KIND_REGISTER ||
            item->entry.key[0] != SIGCHAIN_NAME ||
            sigchain_register_decode(item->value.p, item->value.len, &reg) != LX_OK)
                return false;
        object = lx_alloc(sizeof(*object));
        found = sigchain_object_decode(reg.data, object) == LX_OK;
        field = found ? sigchain_object_find(object, "target") : NULL;
        found = field != NULL && field->type == SIGCHAIN_ADDRESS && field->bytes.len == LX_HASH_LEN;
        if (found)
                memcpy(out->b, field->bytes.p, LX_HASH_LEN);
        found = found && !lx_hash_is_zero(out);
        lx_free(object);
        return found;
}

bool
light_watch_targets(struct light *light)
{
        size_t count = light_item_count(light);

        for (size_t i = 0; i < count; i++) {
                struct light_entry entry = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = LX_HASH_LEN};
                struct lx_hash target;

                if (!find_target(light_item(light, i), &target))
                        continue;
                memcpy(entry.key, target.b, LX_HASH_LEN);
                (void)!light_watch(light, &entry, NULL); /* a full list: what was named comes first */
        }
        return light_item_count(light) > count;
}

bool
light_is_target(const struct light *light, const struct light_entry *entry)
{
        for (size_t i = 0; i < light_item_count(light); i++) {
                struct lx_hash target;

                if (entry->kind == SIGCHAIN_KIND_REGISTER && find_target(light_item(light, i), &target) &&
                    memcmp(target.b, entry->key, LX_HASH_LEN) == 0) /* public */
                        return true;
        }
        return false;
}
