/* bench/verify.c - see bench/verify.h. */
#include "config.h"
#include "bench/verify.h"

#include "base/pool.h"
#include "bench/bench.h"
#include "crypto/sign.h"

#include <stdlib.h>

#define CHECKS 20000

struct checked {
        struct lx_pubkey public;
        struct lx_hash msg;
        struct lx_sig sig;
};

static void
verify_one(void *arg, size_t i)
{
        const struct checked *c = arg;

        (void)i;
        if (!lx_verify(&c->public, &c->msg, &c->sig))
                abort();
}

double
verify_rate(void)
{
        static const uint8_t key[32] = {1};
        static struct lx_pool *pool;
        static struct checked checked;
        double from;

        if (pool == NULL) {
                pool = lx_pool_new(0, NULL, NULL);
                if (lx_sign_pubkey(key, &checked.public) != LX_OK ||
                    lx_sign(key, &checked.msg, NULL, &checked.sig) != LX_OK)
                        abort();
        }
        from = bench_now();
        lx_pool_for(pool, CHECKS, verify_one, &checked);
        return CHECKS / (bench_now() - from);
}
