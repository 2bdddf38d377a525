/* ledger/json.c - see ledger/json.h. */
#include "config.h"
#include "ledger/json.h"

#include "base/mem.h"

json_t *
lx_json_hex(const void *bytes, size_t len)
{
        char *hex = lx_alloc(LX_HEX_LEN(len));
        json_t *json;

        lx_hex(bytes, len, hex);
        json = json_stringn_nocheck(hex, 2 * len);
        lx_free(hex);
        return json;
}

json_t *
lx_json_hash(const struct lx_hash *hash)
{
        char hex[LX_HEX_LEN(LX_HASH_LEN)];

        lx_hex(hash->b, LX_HASH_LEN, hex);
        return json_stringn_nocheck(hex, 2 * LX_HASH_LEN);
}

json_t *
lx_json_amount(uint64_t n)
{
        return json_sprintf("%llu", (unsigned long long)n);
}

json_t *
lx_json_text(struct lx_span s)
{
        json_t *json = json_stringn((const char *)s.p, s.len);

        return json != NULL ? json : json_string("?");
}
