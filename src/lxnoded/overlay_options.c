/* lxnoded/overlay_options.c - the router's options and the files that they name. */
#include "config.h"
#include "lxnoded/overlay_int.h"

#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/tags.h"
#include "keys/keyfile.h"
#include "lxnoded/setup.h"
#include "sigchain/apply.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEM_MAX 512               /* bytes of a part of a list: an address and a path */
#define COUNTER_STEP (1ull << 20) /* handshakes that one start may make */

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- options ------------------------------------------------------------------------------------- */

/* The parts of a comma-separated list, one after the other into @item. */
static bool
next_item(const char **list, char item[ITEM_MAX])
{
        size_t len;

        while (*list != NULL && (**list == ',' || **list == ' '))
                ++*list;
        if (*list == NULL || **list == '\0')
                return false;
        len = strcspn(*list, ", ");
        (void)snprintf(item, ITEM_MAX, "%.*s", len < ITEM_MAX ? (int)len : ITEM_MAX - 1, *list);
        *list += len;
        return true;
}

/* "FILE": the EID that follows from its key, or "EID=FILE": one that was given the key of the file later. */
static enum lx_err
read_identity(struct overlay *o, const char *item, struct router_options *out, struct lx_why *why)
{
        struct router_identity *id = &out->identity[out->identity_count];
        const char *equals = strchr(item, '='), *path = item;
        char text[ROUTER_TEXT_MAX];
        bool named = false;
        struct keys_file key = {0};
        struct lx_hash seal;
        enum lx_err err;

        if (out->identity_count == ROUTER_IDENTITIES_MAX) {
                lx_why_set(why, "router-eid: at most %d EIDs", ROUTER_IDENTITIES_MAX);
                return LX_ERR_USAGE;
        }
        if (equals != NULL && (size_t)(equals - item) < sizeof(text)) {
                (void)snprintf(text, sizeof(text), "%.*s", (int)(equals - item), item);
                named = router_addr_parse(text, &id->eid) && id->eid.family == 6;
                path = named ? equals + 1 : item;
        }
        err = keys_file_load(path, &key, why);
        if (err != LX_OK)
                return err;
        id->eid.family = 6;
        if (!named)
                sigchain_eid_derive(ops(), ledger_genesis(o->ledger)->eid_prefix, ledger_chain_id(o->ledger), 0,
                    &key.public, id->eid.b);
        memcpy(id->sign, key.secret.p, sizeof(id->sign));
        lx_blake2b_keyed(&LX_TAG_KEY, key.secret.p, key.secret.len, "seal", 4, &seal);
        memcpy(id->seal, seal.b, sizeof(id->seal));
        lx_wipe(&seal, sizeof(seal));
        keys_file_clear(&key);
        out->identity_count++;
        return LX_OK;
}

/* Addresses of this machine that others may reach: global ones, not of the device. */
static size_t
own_addresses(const char *tun, struct router_addr *out, size_t max)
{
        struct ifaddrs *all = NULL;
        size_t count = 0;

        if (getifaddrs(&all) != 0)
                return 0;
        for (struct ifaddrs *a = all; a != NULL && count < max; a = a->ifa_next) {
                struct router_addr addr = {0};

                if (a->ifa_addr == NULL || (a->ifa_flags & IFF_LOOPBACK) != 0 || (a->ifa_flags & IFF_RUNNING) == 0 ||
                    (tun != NULL && strcmp(a->ifa_name, tun) == 0))
                        continue;
                if (a->ifa_addr->sa_family == AF_INET) {
                        addr.family = 4;
                        memcpy(addr.b, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, 4);
                } else if (a->ifa_addr->sa_family == AF_INET6) {
                        addr.family = 6;
                        memcpy(addr.b, &((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr, 16);
                        if (addr.b[0] == 0xfe && (addr.b[1] & 0xc0) == 0x80)
                                continue;
                } else {
                        continue;
                }
                out[count++] = addr;
        }
        freeifaddrs(all);
        return count;
}

static size_t
addresses(void *arg, struct router_addr *out, size_t max)
{
        return own_addresses(((struct overlay *)arg)->conf->router_tun, out, max);
}

static enum lx_err
read_rlocs(const struct node_conf *conf, struct router_options *out, struct lx_why *why)
{
        const char *list = conf->router_rloc;
        char item[ITEM_MAX];

        if (list == NULL)
                out->rloc_count = own_addresses(conf->router_tun, out->rloc, ROUTER_LOCAL_RLOCS_MAX);
        while (next_item(&list, item)) {
                if (out->rloc_count == ROUTER_LOCAL_RLOCS_MAX ||
                    !router_addr_parse(item, &out->rloc[out->rloc_count])) {
                        lx_why_set(why, "router-rloc: \"%.60s\" is no address, or there are more than %d", item,
                            ROUTER_LOCAL_RLOCS_MAX);
                        return LX_ERR_USAGE;
                }
                out->rloc_count++;
        }
        return LX_OK;
}

static enum lx_err
read_plain(const struct node_conf *conf, struct router_options *out, struct lx_why *why)
{
        const char *list = conf->router_plain_from;
        char item[ITEM_MAX];

        while (next_item(&list, item)) {
                if (out->plain_count == ROUTER_PLAIN_MAX ||
                    !router_eid_parse(item, &out->plain_from[out->plain_count])) {
                        lx_why_set(why, "router-plain-from: \"%.60s\" is no prefix, or there are more than %d", item,
                            ROUTER_PLAIN_MAX);
                        return LX_ERR_USAGE;
                }
                out->plain_count++;
        }
        return LX_OK;
}

/* A list of prefixes, at most ROUTER_PROXIES_MAX. */
static enum lx_err
read_prefixes(const char *option, const char *list, struct router_eid *out, size_t *count, struct lx_why *why)
{
        char item[ITEM_MAX];

        while (next_item(&list, item)) {
                if (*count == ROUTER_PROXIES_MAX || !router_eid_parse(item, &out[*count])) {
                        lx_why_set(why, "%s: \"%.60s\" is no prefix, or there are more than %d", option, item,
                            ROUTER_PROXIES_MAX);
                        return LX_ERR_USAGE;
                }
                ++*count;
        }
        return LX_OK;
}

static enum lx_err
read_proxies(const struct node_conf *conf, struct router_options *out, struct lx_why *why)
{
        const char *list = conf->router_proxy;
        char item[ITEM_MAX];
        enum lx_err err;

        while (next_item(&list, item)) {
                char *equals = strchr(item, '=');
                struct router_proxy *p = &out->proxy[out->proxy_count];

                if (equals != NULL)
                        *equals = '\0';
                if (equals == NULL || out->proxy_count == ROUTER_PROXIES_MAX || !router_eid_parse(item, &p->net) ||
                    !router_addr_parse(equals + 1, &p->eid) || p->eid.family != 6) {
                        lx_why_set(why, "router-proxy: \"%.60s\" is not PREFIX=EID, or there are more than %d", item,
                            ROUTER_PROXIES_MAX);
                        return LX_ERR_USAGE;
                }
                out->proxy_count++;
        }
        err = read_prefixes("router-proxy-net", conf->router_proxy_net, out->lent, &out->lent_count, why);
        if (err == LX_OK)
                err = read_prefixes("router-proxy-for", conf->router_proxy_for, out->client, &out->client_count, why);
        if (err == LX_OK && (out->lent_count > 0) != (out->client_count > 0)) {
                lx_why_set(why, "router-proxy-net and router-proxy-for belong together: which hosts, and for whom");
                return LX_ERR_USAGE;
        }
        return err;
}

static const char BLANKS[] = " \t\n";

/* "KEY-ID sha256|sha1 KEY", out of a line that is being read. */
static bool
read_key(char **rest, uint8_t *out_id, enum router_alg *out_alg, uint8_t out_key[64], uint8_t *out_len)
{
        char *id = strtok_r(NULL, BLANKS, rest), *alg = strtok_r(NULL, BLANKS, rest);
        char *key = strtok_r(NULL, BLANKS, rest), *end;
        unsigned long number;

        if (key == NULL || strlen(key) > 64)
                return false;
        number = strtoul(id, &end, 10);
        if (*end != '\0' || number > 255 || (strcmp(alg, "sha256") != 0 && strcmp(alg, "sha1") != 0))
                return false;
        *out_id = (uint8_t)number;
        *out_alg = strcmp(alg, "sha1") == 0 ? ROUTER_ALG_SHA1_96 : ROUTER_ALG_SHA256_128;
        *out_len = (uint8_t)strlen(key);
        memcpy(out_key, key, *out_len);
        return true;
}

/* "PREFIX KEY-ID sha256|sha1 KEY [random-nonces]" */
static bool
read_site(char *line, struct router_options *out)
{
        struct router_site *site = &out->site[out->site_count];
        char *rest, *prefix = strtok_r(line, BLANKS, &rest), *more;

        if (out->site_count == ROUTER_SITES_MAX || !router_eid_parse(prefix, &site->eid) ||
            !read_key(&rest, &site->key_id, &site->alg, site->key, &site->key_len))
                return false;
        more = strtok_r(NULL, BLANKS, &rest);
        site->random_nonces = more != NULL && strcmp(more, "random-nonces") == 0;
        out->site_count++;
        return more == NULL || (site->random_nonces && strtok_r(NULL, BLANKS, &rest) == NULL);
}

/* "register PREFIX ADDRESS KEY-ID sha256|sha1 KEY" or "resolve PREFIX ADDRESS" */
static bool
read_foreign(char *line, struct router_options *out)
{
        struct router_foreign *f = &out->foreign[out->foreign_count];
        char *rest, *verb = strtok_r(line, BLANKS, &rest), *prefix = strtok_r(NULL, BLANKS, &rest);
        char *at = strtok_r(NULL, BLANKS, &rest);

        if (out->foreign_count == ROUTER_FOREIGN_MAX || at == NULL || !router_eid_parse(prefix, &f->eid) ||
            !router_addr_parse(at, &f->at))
                return false;
        f->registers = strcmp(verb, "register") == 0;
        if ((!f->registers && strcmp(verb, "resolve") != 0) ||
            (f->registers && !read_key(&rest, &f->key_id, &f->alg, f->key, &f->key_len)))
                return false;
        out->foreign_count++;
        return strtok_r(NULL, BLANKS, &rest) == NULL;
}

/* Every line of the file at @path that is not empty and no comment. */
static enum lx_err
read_lines(const char *path, const char *form, bool (*read)(char *line, struct router_options *out),
    struct router_options *out, struct lx_why *why)
{
        struct lx_buf text = {0};
        char *line, *rest;
        unsigned number = 0;
        enum lx_err err;

        if (path == NULL)
                return LX_OK;
        err = lx_file_read(path, 1u << 16, &text, why);
        if (err != LX_OK)
                return err;
        (void)lx_buf_str(&text);
        for (rest = (char *)text.p; err == LX_OK && (line = strsep(&rest, "\n")) != NULL;) {
                number++;
                line[strcspn(line, "#")] = '\0';
                if (line[strspn(line, " \t")] == '\0' || read(line, out))
                        continue;
                lx_why_set(why, "%s line %u is not %s, or one too many", path, number, form);
                err = LX_ERR_USAGE;
        }
        lx_wipe(text.p, text.len);
        lx_buf_clear(&text);
        return err;
}

/* The counter of handshakes: what is on disk is always higher than what was used. */
static enum lx_err
take_counter(const struct node_conf *conf, uint64_t *out, struct lx_why *why)
{
        char *path = setup_path(conf, "router.counter"), text[32];
        struct lx_buf buf = {0};
        uint64_t counter = COUNTER_STEP;
        int len;
        enum lx_err err = lx_file_read(path, sizeof(text), &buf, NULL);

        if (err == LX_OK)
                counter = strtoull(lx_buf_str(&buf), NULL, 10);
        if (err == LX_OK || err == LX_ERR_ABSENT) {
                len = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)(counter + COUNTER_STEP));
                err = lx_file_write(path, text, (size_t)len, 0600, why);
        }
        *out = counter;
        lx_buf_clear(&buf);
        lx_free(path);
        return err;
}

static void
add_route(struct router_io_options *out, const struct router_eid *eid)
{
        if (out->route_count < ROUTER_ROUTES_MAX)
                out->route[out->route_count++] = *eid;
}

/* What goes into the device: EIDs, the root prefixes, and what is reached outside of the ledger. */
static void
read_routes(struct overlay *o, struct router_io_options *out)
{
        const struct sigchain_genesis *g = ledger_genesis(o->ledger);
        struct router_eid route = {.bits = 32, .addr = {.family = 6}};

        memcpy(route.addr.b, g->eid_prefix, 4);
        add_route(out, &route);
        for (size_t i = 0; i < g->root_count; i++) {
                route = (struct router_eid){.bits = g->root[i].bits, .addr = {.family = g->root[i].family}};
                memcpy(route.addr.b, g->root[i].prefix, 16);
                add_route(out, &route);
        }
        for (size_t i = 0; i < out->router.site_count; i++)
                add_route(out, &out->router.site[i].eid);
        for (size_t i = 0; i < out->router.foreign_count; i++)
                if (!out->router.foreign[i].registers)
                        add_route(out, &out->router.foreign[i].eid);
}

enum lx_err
overlay_read_options(struct overlay *o, struct router_io_options *out, struct lx_why *why)
{
        const struct node_conf *conf = o->conf;
        struct router_options *m = &out->router;
        const char *list = conf->router_eid;
        char item[ITEM_MAX];
        enum lx_err err = LX_OK;

        *m = (struct router_options){.ledger = overlay_questions(o), .serve = true};
        while (err == LX_OK && next_item(&list, item))
                err = read_identity(o, item, m, why);
        if (err == LX_OK)
                err = read_rlocs(conf, m, why);
        if (err == LX_OK)
                err = read_plain(conf, m, why);
        if (err == LX_OK)
                err = read_proxies(conf, m, why);
        if (err == LX_OK)
                err = read_lines(
                    conf->router_site, "\"PREFIX KEY-ID sha256|sha1 KEY [random-nonces]\"", read_site, m, why);
        if (err == LX_OK)
                err = read_lines(conf->router_foreign, "\"register PREFIX ADDRESS KEY-ID sha256|sha1 KEY\" or "
                    "\"resolve PREFIX ADDRESS\"", read_foreign, m, why);
        if (err == LX_OK)
                err = take_counter(conf, &m->counter, why);
        for (size_t i = 0; i < m->identity_count; i++)
                overlay_eid_address(m->identity[i].iid, &m->identity[i].eid, &o->identity[i]);
        o->identity_count = m->identity_count;
        o->scanned = false;
        overlay_refresh(o);
        m->prefix_count = overlay_prefixes(o, m->prefix, ROUTER_PREFIXES_MAX);
        read_routes(o, out);
        out->tun = conf->router_tun != NULL && strcmp(conf->router_tun, "none") != 0 ? conf->router_tun : NULL;
        out->woken = overlay_refresh;
        out->prefixes = overlay_prefixes;
        out->addresses = conf->router_rloc == NULL ? addresses : NULL;
        out->woken_arg = o;
        return err;
}
