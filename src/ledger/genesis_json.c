/* ledger/genesis_json.c - the JSON face of the genesis document, by jansson. */
#include "config.h"
#include "ledger/genesis_json.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sigchain/params.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct face {
        struct sigchain_genesis *g;
        struct lx_why *why;
        enum lx_err err;
};

__attribute__((format(printf, 2, 3))) static void
refuse(struct face *f, const char *fmt, ...)
{
        char text[256];
        va_list ap;

        if (f->err != LX_OK)
                return;
        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        lx_why_set(f->why, "genesis document: %s", text);
        f->err = LX_ERR_FORMAT;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static const char *
get_text(struct face *f, json_t *o, const char *name, size_t max)
{
        const char *s = json_string_value(json_object_get(o, name));

        if (s == NULL || strlen(s) > max) {
                refuse(f, "\"%s\" must be a string of at most %zu characters", name, max);
                return "";
        }
        return s;
}

static uint64_t
get_number(struct face *f, json_t *o, const char *name, uint64_t max)
{
        json_t *v = json_object_get(o, name);

        if (!json_is_integer(v) || json_integer_value(v) < 0 ||
            (uint64_t)json_integer_value(v) > max) {
                refuse(f, "\"%s\" must be a number from 0 to %llu", name, (unsigned long long)max);
                return 0;
        }
        return (uint64_t)json_integer_value(v);
}

static uint64_t
get_amount(struct face *f, json_t *o, const char *name)
{
        const char *s = get_text(f, o, name, 20);
        char *end;
        unsigned long long v;

        errno = 0;
        v = strtoull(s, &end, 10);
        if (s[0] < '0' || s[0] > '9' || *end != '\0' || errno != 0)
                refuse(f, "\"%s\" must be an amount written as a string of digits", name);
        return v;
}

static void
get_hex(struct face *f, json_t *o, const char *name, uint8_t out[32])
{
        const char *s = get_text(f, o, name, 64);

        if (!lx_unhex(s, strlen(s), out, 32))
                refuse(f, "\"%s\" must be 64 hex digits", name);
}

static void
only(struct face *f, json_t *o, const char *where, const char *const *names)
{
        const char *key;
        json_t *value;

        if (!json_is_object(o)) {
                refuse(f, "%s must be an object", where);
                return;
        }
        json_object_foreach(o, key, value) {
                bool known = false;

                for (size_t i = 0; names[i] != NULL; i++)
                        known |= strcmp(names[i], key) == 0;
                if (!known)
                        refuse(f, "%s has no field \"%.40s\"", where, key);
        }
}

static uint64_t
get_time(struct face *f, json_t *o)
{
        const char *s = get_text(f, o, "time", 24);
        struct tm tm = {0};
        unsigned ms = 0;
        char again[25];
        int64_t at;
        int n = 0;

        if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                &tm.tm_min, &tm.tm_sec, &n) != 6 ||
            !((sscanf(s + n, ".%3uZ", &ms) == 1 && strlen(s + n) == 5) || strcmp(s + n, "Z") == 0)) {
                refuse(f, "\"time\" must look like 2026-01-31T12:00:00.000Z");
                return 0;
        }
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        at = (int64_t)timegm(&tm);
        /* A 31st of April, or a year before 1970, comes out as another time. */
        lx_walltime_format((struct lx_walltime){at > 0 ? (uint64_t)at * 1000 : 0}, again);
        if (at < 0 || strncmp(again, s, 19) != 0) {
                refuse(f, "there is no time \"%.24s\" since 1970", s);
                return 0;
        }
        return (uint64_t)at * 1000 + ms;
}

static void
read_params(struct face *f, json_t *o)
{
        const char *key;
        json_t *value;

        sigchain_params_defaults(&f->g->params);
        json_object_foreach(o, key, value) {
                unsigned id = 1;

                while (id < SIGCHAIN_PARAM_COUNT_ && (sigchain_param_row(id) == NULL ||
                    strcmp(sigchain_param_row(id)->name, key) != 0))
                        id++;
                if (id == SIGCHAIN_PARAM_COUNT_) {
                        refuse(f, "there is no parameter \"%.40s\"", key);
                        return;
                }
                f->g->params.value[id] = get_number(f, o, key, sigchain_param_row(id)->max);
                if (f->g->params.value[id] < sigchain_param_row(id)->min)
                        refuse(f, "parameter \"%s\" is at least %llu", key,
                            (unsigned long long)sigchain_param_row(id)->min);
        }
}

static int
by_key(const void *a, const void *b)
{
        return memcmp(a, b, LX_PUBKEY_LEN); /* public */
}

static void
read_validators(struct face *f, json_t *list)
{
        static const char *const names[] = {"name", "key", "power", NULL};
        size_t i;
        json_t *o;

        if (!json_is_array(list) || json_array_size(list) == 0 ||
            json_array_size(list) > SIGCHAIN_VALIDATORS_MAX) {
                refuse(f, "\"validators\" must be an array of 1 to %d", SIGCHAIN_VALIDATORS_MAX);
                return;
        }
        json_array_foreach(list, i, o) {
                struct sigchain_validator *v = &f->g->validators.v[i];
                const char *name = get_text(f, o, "name", 32);

                only(f, o, "a validator", names);
                get_hex(f, o, "key", v->key.b);
                v->power = get_number(f, o, "power", SIGCHAIN_POWER_MAX);
                v->name = LX_SPAN(name, strlen(name));
                f->g->validators.total += v->power;
        }
        f->g->validators.count = json_array_size(list);
        qsort(f->g->validators.v, f->g->validators.count, sizeof(f->g->validators.v[0]), by_key);
}

static void
read_token(struct face *f, json_t *o)
{
        static const char *const names[] = {"name", "decimals", "supply", NULL};

        if (o == NULL)
                return;
        only(f, o, "\"token\"", names);
        (void)snprintf(f->g->token_name, sizeof(f->g->token_name), "%s", get_text(f, o, "name", 32));
        f->g->token_decimals = (uint8_t)get_number(f, o, "decimals", 18);
        f->g->token_supply = get_amount(f, o, "supply");
}

static int
by_genesis(const void *a, const void *b)
{
        return memcmp(a, b, LX_HASH_LEN); /* public */
}

static void
read_allocations(struct face *f, json_t *list)
{
        static const char *const names[] = {"genesis", "amount", NULL};
        size_t i;
        json_t *o;

        if (json_array_size(list) > SIGCHAIN_ALLOCATIONS_MAX) {
                refuse(f, "at most %d \"allocations\"", SIGCHAIN_ALLOCATIONS_MAX);
                return;
        }
        json_array_foreach(list, i, o) {
                only(f, o, "an allocation", names);
                get_hex(f, o, "genesis", f->g->allocation[i].genesis.b);
                f->g->allocation[i].amount = get_amount(f, o, "amount");
        }
        f->g->allocation_count = json_array_size(list);
        qsort(f->g->allocation, f->g->allocation_count, sizeof(f->g->allocation[0]), by_genesis);
}

/* "ADDRESS/BITS" into family, address and bits. */
static void
read_cidr(struct face *f, const char *s, uint8_t *out_family, uint8_t out_addr[16], uint8_t *out_bits)
{
        char text[64];
        char *slash;
        unsigned bits = 0;

        (void)snprintf(text, sizeof(text), "%s", s);
        slash = strchr(text, '/');
        if (slash != NULL)
                *slash = '\0';
        memset(out_addr, 0, 16);
        *out_family = strchr(text, ':') != NULL ? 6 : 4;
        if (slash == NULL || sscanf(slash + 1, "%3u", &bits) != 1 ||
            bits > (*out_family == 6 ? 128 : 32) ||
            inet_pton(*out_family == 6 ? AF_INET6 : AF_INET, text, out_addr) != 1)
                refuse(f, "\"%.60s\" is no prefix (ADDRESS/BITS)", s);
        *out_bits = (uint8_t)bits;
}

static int
by_prefix(const void *a, const void *b)
{
        return sigchain_root_prefix_cmp(a, b);
}

static void
read_prefixes(struct face *f, json_t *list)
{
        static const char *const names[] = {"instance", "prefix", "owner", NULL};
        size_t i;
        json_t *o;

        if (json_array_size(list) > SIGCHAIN_ROOTS_MAX) {
                refuse(f, "at most %d \"prefixes\"", SIGCHAIN_ROOTS_MAX);
                return;
        }
        json_array_foreach(list, i, o) {
                struct sigchain_root_prefix *p = &f->g->root[i];

                only(f, o, "a prefix", names);
                p->instance = (uint32_t)get_number(f, o, "instance", 0xffffffu);
                read_cidr(f, get_text(f, o, "prefix", 63), &p->family, p->prefix, &p->bits);
                get_hex(f, o, "owner", p->owner.b);
        }
        f->g->root_count = json_array_size(list);
        qsort(f->g->root, f->g->root_count, sizeof(f->g->root[0]), by_prefix);
}

static void
read_eid_prefix(struct face *f, json_t *o)
{
        uint8_t family, bits, addr[16];

        read_cidr(f, get_text(f, o, "eid_prefix", 63), &family, addr, &bits);
        if (f->err == LX_OK && (family != 6 || bits != 32 || addr[0] != 0xfd))
                refuse(f, "\"eid_prefix\" must be an IPv6 /32 in fd00::/8");
        memcpy(f->g->eid_prefix, addr, 4);
}

static void
read_document(struct face *f, json_t *o)
{
        static const char *const names[] = {"network", "time", "parameters", "validators", "token",
            "allocations", "eid_prefix", "prefixes", NULL};

        only(f, o, "the document", names);
        (void)snprintf(f->g->network, sizeof(f->g->network), "%s", get_text(f, o, "network", 32));
        f->g->time_ms = get_time(f, o);
        read_params(f, json_object_get(o, "parameters"));
        read_validators(f, json_object_get(o, "validators"));
        read_token(f, json_object_get(o, "token"));
        read_allocations(f, json_object_get(o, "allocations"));
        read_eid_prefix(f, o);
        read_prefixes(f, json_object_get(o, "prefixes"));
}

enum lx_err
ledger_genesis_from_json(const char *json, size_t len, struct lx_buf *out_bytes, struct lx_why *why)
{
        struct face f = {.g = lx_alloc(sizeof(*f.g)), .why = why};
        struct sigchain_genesis *check = lx_alloc(sizeof(*check));
        json_error_t error;
        json_t *o = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
        struct lx_writer wr;
        size_t at = out_bytes->len;

        if (o == NULL)
                refuse(&f, "no JSON: %s (line %d)", error.text, error.line);
        else
                read_document(&f, o);
        if (f.err == LX_OK) {
                wr = lx_writer_init(lx_buf_reserve(out_bytes, SIGCHAIN_GENESIS_MAX), SIGCHAIN_GENESIS_MAX);
                sigchain_genesis_encode(f.g, &wr);
                f.err = lx_writer_end(&wr);
                lx_buf_add(out_bytes, f.err == LX_OK ? wr.len : 0);
        }
        if (f.err == LX_OK)
                f.err = sigchain_genesis_decode(out_bytes->p + at, out_bytes->len - at, check);
        if (f.err != LX_OK) {
                lx_why_set(why, "genesis document: a value breaks a rule: %s", lx_err_text(f.err));
                out_bytes->len = at;
        }
        json_decref(o);
        lx_free(check);
        lx_free(f.g);
        return f.err;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static json_t *
hex_of(const uint8_t *bytes)
{
        char hex[LX_HEX_LEN(32)];

        lx_hex(bytes, 32, hex);
        return json_string(hex);
}

static json_t *
amount_of(uint64_t amount)
{
        return json_sprintf("%llu", (unsigned long long)amount);
}

static json_t *
cidr_of(uint8_t family, const uint8_t *addr, unsigned bits)
{
        char text[INET6_ADDRSTRLEN];

        (void)inet_ntop(family == 6 ? AF_INET6 : AF_INET, addr, text, sizeof(text));
        return json_sprintf("%s/%u", text, bits);
}

static json_t *
document_of(const struct sigchain_genesis *g)
{
        json_t *o = json_object(), *params = json_object(), *validators = json_array(),
               *allocations = json_array(), *prefixes = json_array();
        uint8_t eid[16] = {0};
        char when[25];

        lx_walltime_format((struct lx_walltime){g->time_ms}, when);
        for (unsigned id = 1; id < SIGCHAIN_PARAM_COUNT_; id++)
                if (sigchain_param_row(id) != NULL)
                        json_object_set_new(params, sigchain_param_row(id)->name,
                            json_integer((json_int_t)g->params.value[id]));
        for (size_t i = 0; i < g->validators.count; i++) {
                const struct sigchain_validator *v = &g->validators.v[i];

                json_array_append_new(validators, json_pack("{s:s%,s:o,s:I}", "name",
                    (const char *)v->name.p, v->name.len, "key", hex_of(v->key.b), "power",
                    (json_int_t)v->power));
        }
        for (size_t i = 0; i < g->allocation_count; i++)
                json_array_append_new(allocations, json_pack("{s:o,s:o}", "genesis",
                    hex_of(g->allocation[i].genesis.b), "amount", amount_of(g->allocation[i].amount)));
        for (size_t i = 0; i < g->root_count; i++)
                json_array_append_new(prefixes, json_pack("{s:I,s:o,s:o}", "instance",
                    (json_int_t)g->root[i].instance, "prefix",
                    cidr_of(g->root[i].family, g->root[i].prefix, g->root[i].bits), "owner",
                    hex_of(g->root[i].owner.b)));
        memcpy(eid, g->eid_prefix, 4);
        json_object_set_new(o, "network", json_string(g->network));
        json_object_set_new(o, "time", json_string(when));
        json_object_set_new(o, "parameters", params);
        json_object_set_new(o, "validators", validators);
        if (g->token_supply > 0)
                json_object_set_new(o, "token", json_pack("{s:s,s:i,s:o}", "name", g->token_name,
                    "decimals", (int)g->token_decimals, "supply", amount_of(g->token_supply)));
        json_object_set_new(o, "allocations", allocations);
        json_object_set_new(o, "eid_prefix", cidr_of(6, eid, 32));
        json_object_set_new(o, "prefixes", prefixes);
        return o;
}

enum lx_err
ledger_genesis_to_json(const uint8_t *bytes, size_t len, struct lx_buf *out_json, struct lx_why *why)
{
        struct sigchain_genesis *g = lx_alloc(sizeof(*g));
        enum lx_err err = sigchain_genesis_decode(bytes, len, g);

        if (err == LX_OK) {
                json_t *o = document_of(g);
                char *text = json_dumps(o, JSON_INDENT(2));

                lx_buf_append(out_json, text, strlen(text));
                lx_buf_append(out_json, "\n", 1);
                free(text);
                json_decref(o);
        } else {
                lx_why_set(why, "the genesis document is malformed: %s", lx_err_text(err));
        }
        lx_free(g);
        return err;
}
