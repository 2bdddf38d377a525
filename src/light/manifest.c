/* light/manifest.c - the manifests of releases that are watched. */
#include "config.h"
#include "light/light_int.h"

#include "base/mem.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"

bool
light_is_release(const struct light_item *item, struct lx_hash *out_root, uint64_t *out_len)
{
        struct sigchain_object *object;
        struct sigchain_register reg;
        bool found;

        if (!item->proven || !item->exists || item->entry.kind != SIGCHAIN_KIND_REGISTER ||
            (item->entry.key[0] != SIGCHAIN_RELEASE && item->entry.key[0] != SIGCHAIN_APPROVAL) ||
            sigchain_register_decode(item->value.p, item->value.len, &reg) != LX_OK)
                return false;
        object = lx_alloc(sizeof(*object));
        found = sigchain_object_decode(reg.data, object) == LX_OK &&
                sigchain_object_get_hash(object, "manifest", out_root) &&
                sigchain_object_get_u64(object, "size", out_len);
        lx_free(object);
        return found;
}

struct lx_span
light_manifest(const struct light *light, const struct lx_hash *root)
{
        for (size_t i = 0; i < light->manifest_count; i++)
                if (lx_hash_eq(&light->manifests[i].root, root))
                        return lx_buf_span(&light->manifests[i].bytes);
        return (struct lx_span){NULL, 0};
}

bool
light_wants_manifest(const struct light *light, struct lx_hash *out_root, uint64_t *out_len)
{
        uint64_t room = LIGHT_MANIFESTS_MAX;

        for (size_t i = 0; i < light->manifest_count; i++)
                room -= light->manifests[i].bytes.len;
        for (size_t i = 0; i < light->item_count; i++) {
                struct lx_hash root;
                uint64_t len;

                if (!light_is_release(&light->items[i], &root, &len) || len > LIGHT_MANIFEST_MAX || len > room ||
                    len == 0 || light_manifest(light, &root).p != NULL)
                        continue;
                *out_root = root;
                *out_len = len;
                return true;
        }
        return false;
}

enum lx_err
light_add_manifest(struct light *light, struct lx_span bytes, struct lx_hash *out_root)
{
        struct light_manifest *m;
        uint32_t count;
        enum lx_err err =
            sigchain_manifest_read(&light->options.ops->hash, bytes, NULL, NULL, out_root, &count);

        if (err != LX_OK || light_manifest(light, out_root).p != NULL)
                return err;
        light->manifests = lx_realloc(light->manifests, (light->manifest_count + 1) * sizeof(*m));
        m = &light->manifests[light->manifest_count++];
        *m = (struct light_manifest){.root = *out_root};
        lx_buf_append(&m->bytes, bytes.p, bytes.len);
        return LX_OK;
}

enum lx_err
light_take_manifest(
    struct light *light, const struct lx_hash *root, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        struct lx_hash wanted, is, named;
        uint64_t size = 0;
        uint32_t count;
        enum lx_err err =
            sigchain_manifest_read(&light->options.ops->hash, LX_SPAN(bytes, len), NULL, NULL, &is, &count);

        if (err != LX_OK)
                return err;
        if (!light_wants_manifest(light, &wanted, &size) || !lx_hash_eq(&wanted, root) || !lx_hash_eq(&is, root) ||
            len != size) {
                lx_why_set(why, "the manifest is not the one that the release names");
                return LX_ERR_PROOF;
        }
        err = light_add_manifest(light, LX_SPAN(bytes, len), &named);
        if (err == LX_OK)
                light_note_manifest(&light->changes, LX_SPAN(bytes, len));
        return err;
}
