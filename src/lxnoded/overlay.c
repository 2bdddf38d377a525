/* lxnoded/overlay.c - the router and the ledger; see lxnoded/overlay.h. */
#include "config.h"
#include "lxnoded/overlay.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/tags.h"
#include "lxnoded/setup.h"
#include "merkle/trie.h"
#include "router/dns_io.h"
#include "sigchain/apply.h"
#include "sigchain/object.h"
#include "sigchain/standard.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY 4096u             /* owners remembered, for one block */
#define COUNTER_STEP (1ull << 20) /* handshakes that one start may make */
#define NAMES_SEARCHED 4096u     /* for a reverse look-up */
#define NODE_ROLE_SERVES 1u      /* bit of a node register's roles */

struct remembered {
        bool used;
        enum lx_err err;
        uint32_t iid;
        struct router_addr addr;
        struct router_owner owner;
};

struct overlay {
        const struct node_conf *conf;
        struct ledger *ledger;
        struct router_io *io;
        struct dns_io *dns;
        uint64_t height; /* that the router was told of */
        /* the router thread's */
        struct ledger_view *view;
        struct remembered *memory;
        size_t node_count;
        struct router_node node[ROUTER_NODES_MAX];
};

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- registers ----------------------------------------------------------------------------------- */

/* The fields of the register at @address; @buf keeps the bytes that they point to. */
static enum lx_err
read_object(struct ledger_view *view, const struct lx_hash *address, struct lx_buf *buf,
    struct sigchain_object *out)
{
        struct sigchain_register reg;
        enum lx_err err = ledger_get_state(
            view, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, LEDGER_NOW, buf, NULL);

        if (err == LX_OK)
                err = sigchain_register_decode(buf->p, buf->len, &reg);
        if (err == LX_OK)
                err = sigchain_object_decode(reg.data, out);
        return err;
}

static bool
get_bytes(const struct sigchain_object *object, const char *name, uint8_t *out, size_t len)
{
        const struct sigchain_field *field = sigchain_object_find(object, name);

        if (field == NULL || field->bytes.len != len)
                return false;
        memcpy(out, field->bytes.p, len);
        return true;
}

/* What an eid register says: key, host, whether sealing is asked for, home RLOCs. */
static enum lx_err
read_eid(struct ledger_view *view, const struct lx_hash *address, struct router_owner *out)
{
        struct lx_buf buf = {0};
        struct sigchain_object object;
        uint64_t ttl = 0, sealed = 0, iid = 0;
        size_t homes = 0;
        enum lx_err err = read_object(view, address, &buf, &object);

        if (err == LX_OK) {
                const struct sigchain_field *rlocs = sigchain_object_find(&object, "rlocs");

                out->host.family = 6;
                if (!get_bytes(&object, "key", out->key.b, LX_PUBKEY_LEN) ||
                    !get_bytes(&object, "eid", out->host.b, 16) ||
                    !sigchain_object_get_u64(&object, "ttl", &ttl) ||
                    !sigchain_object_get_u64(&object, "sealed", &sealed) ||
                    !sigchain_object_get_u64(&object, "instance", &iid))
                        err = LX_ERR_FORMAT;
                else if (rlocs != NULL && router_rlocs_decode(rlocs->bytes, out->home, ROUTER_HOMES_MAX, &homes))
                        out->home_count = (uint8_t)homes;
                out->sealed = sealed != 0;
                out->ttl_min = ttl > 0 && ttl < 1440 ? (uint32_t)ttl : 60;
        }
        lx_buf_clear(&buf);
        return err;
}

static void
eid_address(uint32_t iid, const struct router_addr *addr, struct lx_hash *out)
{
        uint8_t key[20];
        struct lx_writer wr = lx_writer_init(key, sizeof(key));

        lx_write_u32(&wr, iid);
        lx_write_bytes(&wr, addr->b, 16);
        sigchain_address(ops(), SIGCHAIN_EID, key, wr.len, out);
}

/* ---- owners -------------------------------------------------------------------------------------- */

/* The least specific hole around an address, out of the trie's own proof. */
static void
read_hole(struct overlay *o, uint32_t iid, const struct router_addr *addr, const struct lx_buf *proof,
    struct router_eid *out)
{
        uint8_t key[5];
        struct lx_writer wr = lx_writer_init(key, sizeof(key));
        struct merkle_bits at = {.len = addr->family == 4 ? 32 : 128}, hole;
        struct lx_reader rd = lx_reader_init(proof->p, proof->len);
        struct lx_hash root, value;
        struct lx_buf state = {0};
        bool found = true;

        lx_write_u32(&wr, iid);
        lx_write_u8(&wr, addr->family);
        memcpy(at.b, addr->b, 16);
        if (ledger_get_state(o->view, SIGCHAIN_KIND_TRIE, key, sizeof(key), LEDGER_NOW, &state, NULL) == LX_OK &&
            state.len == LX_HASH_LEN) {
                memcpy(root.b, state.p, LX_HASH_LEN);
                if (merkle_trie_verify(ops(), &rd, &root, &at, &hole, &value, &found) == LX_OK && !found) {
                        out->bits = hole.len;
                        router_addr_mask(&out->addr, hole.len);
                }
        }
        lx_buf_clear(&state);
}

static enum lx_err
find_prefix(struct overlay *o, uint32_t iid, const struct router_addr *addr, struct router_owner *out)
{
        struct lx_buf proof = {0}, buf = {0};
        struct sigchain_object object;
        struct lx_hash eid;
        uint64_t bits = 0;
        bool found = false;
        enum lx_err err = ledger_match_prefix(o->view, iid, addr->family, addr->b, &out->reg, &found, &proof);

        if (err == LX_OK && !found) {
                read_hole(o, iid, addr, &proof, &out->eid);
                err = LX_ERR_ABSENT;
        }
        if (err == LX_OK)
                err = read_object(o->view, &out->reg, &buf, &object);
        if (err == LX_OK && (!sigchain_object_get_u64(&object, "bits", &bits) ||
                                !sigchain_object_get_hash(&object, "eid", &eid) ||
                                !get_bytes(&object, "prefix", out->eid.addr.b, 16)))
                err = LX_ERR_ABSENT;
        if (err == LX_OK) {
                out->eid.bits = (uint8_t)bits;
                err = lx_hash_is_zero(&eid) ? LX_ERR_ABSENT : read_eid(o->view, &eid, out);
        }
        lx_buf_clear(&proof);
        lx_buf_clear(&buf);
        return err;
}

static enum lx_err
look_up(struct overlay *o, uint32_t iid, const struct router_addr *addr, struct router_owner *out)
{
        *out = (struct router_owner){.eid = router_eid_host(iid, addr)};
        if (addr->family == 6 &&
            memcmp(addr->b, ledger_genesis(o->ledger)->eid_prefix, 4) == 0) { /* public */
                eid_address(iid, addr, &out->reg);
                return read_eid(o->view, &out->reg, out);
        }
        return find_prefix(o, iid, addr, out);
}

static enum lx_err
owner(void *arg, uint32_t iid, const struct router_addr *addr, struct router_owner *out)
{
        struct overlay *o = arg;
        uint64_t w[2];
        struct remembered *m;

        memcpy(w, addr->b, 16);
        m = &o->memory[((w[0] ^ w[1] ^ iid) * 0x9e3779b97f4a7c15ull >> 40) % MEMORY];
        if (!m->used || m->iid != iid || !router_addr_eq(&m->addr, addr)) {
                m->used = true;
                m->iid = iid;
                m->addr = *addr;
                m->err = look_up(o, iid, addr, &m->owner);
        }
        *out = m->owner;
        return m->err == LX_OK ? LX_OK : LX_ERR_ABSENT;
}

/* ---- the rest of what the router asks ------------------------------------------------------------- */

static bool
header(void *arg, const struct lx_hash *hash, uint64_t *out_time_ms)
{
        struct overlay *o = arg;
        struct ledger_header found;
        uint64_t height;

        if (ledger_find_header(o->view, hash, &height) != LX_OK ||
            ledger_get_header(o->view, height, &found) != LX_OK)
                return false;
        *out_time_ms = found.time_ms;
        return true;
}

static uint64_t
tip(void *arg, struct lx_hash *out_header)
{
        struct overlay *o = arg;

        *out_header = *ledger_view_header_hash(o->view);
        return ledger_view_header(o->view)->time_ms;
}

static size_t
nodes(void *arg, struct router_node *out, size_t max)
{
        struct overlay *o = arg;
        size_t count = o->node_count < max ? o->node_count : max;

        memcpy(out, o->node, count * sizeof(*out));
        return count;
}

static void
read_node(struct overlay *o, const struct lx_hash *address)
{
        struct router_node *node = &o->node[o->node_count];
        struct lx_buf buf = {0};
        struct sigchain_object object;
        struct router_addr rloc;
        uint64_t roles = 0;
        size_t count = 0;

        if (read_object(o->view, address, &buf, &object) == LX_OK) {
                const struct sigchain_field *rlocs = sigchain_object_find(&object, "rlocs");

                if (rlocs != NULL && router_rlocs_decode(rlocs->bytes, &rloc, 1, &count) && count > 0 &&
                    sigchain_object_get_u64(&object, "roles", &roles) && (roles & NODE_ROLE_SERVES) != 0 &&
                    get_bytes(&object, "key", node->key.b, LX_HASH_LEN)) {
                        node->at = (struct router_at){rloc, ROUTER_PORT_CONTROL};
                        o->node_count++;
                }
        }
        lx_buf_clear(&buf);
}

/* A view of the newest block, and what is read only once for each. */
static void
refresh(void *arg)
{
        struct overlay *o = arg;
        struct lx_hash address[ROUTER_NODES_MAX];
        size_t count = 0;

        ledger_view_unref(o->view);
        o->view = ledger_view_new(o->ledger);
        memset(o->memory, 0, MEMORY * sizeof(*o->memory));
        o->node_count = 0;
        if (ledger_list_type(o->view, SIGCHAIN_NODE, NULL, address, ROUTER_NODES_MAX, &count) == LX_OK)
                for (size_t i = 0; i < count; i++)
                        read_node(o, &address[i]);
}

/* ---- options ------------------------------------------------------------------------------------- */

/* The parts of a comma-separated list, one after the other into @item. */
static bool
next_item(const char **list, char item[128])
{
        size_t len;

        while (*list != NULL && (**list == ',' || **list == ' '))
                ++*list;
        if (*list == NULL || **list == '\0')
                return false;
        len = strcspn(*list, ", ");
        (void)snprintf(item, 128, "%.*s", len < 127 ? (int)len : 127, *list);
        *list += len;
        return true;
}

static enum lx_err
read_identity(struct overlay *o, const char *path, struct router_options *out, struct lx_why *why)
{
        struct router_identity *id = &out->identity[out->identity_count];
        struct keys_file key = {0};
        struct lx_hash seal;
        enum lx_err err;

        if (out->identity_count == ROUTER_IDENTITIES_MAX) {
                lx_why_set(why, "router-eid: at most %d EIDs", ROUTER_IDENTITIES_MAX);
                return LX_ERR_USAGE;
        }
        err = keys_file_load(path, &key, why);
        if (err != LX_OK)
                return err;
        id->eid.family = 6;
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

/* Prefixes whose register names the EID of identity @number. */
static void
read_prefixes(struct overlay *o, struct router_options *out)
{
        struct lx_hash address[256], eid, wanted;
        size_t count = 0;

        if (ledger_list_type(o->view, SIGCHAIN_PREFIX, NULL, address, 256, &count) != LX_OK)
                return;
        for (size_t i = 0; i < count && out->prefix_count < ROUTER_PREFIXES_MAX; i++) {
                struct router_prefix *p = &out->prefix[out->prefix_count];
                struct lx_buf buf = {0};
                struct sigchain_object object;
                uint64_t family = 0, bits = 0, iid = 0;

                if (read_object(o->view, &address[i], &buf, &object) == LX_OK &&
                    sigchain_object_get_hash(&object, "eid", &eid) && !lx_hash_is_zero(&eid) &&
                    sigchain_object_get_u64(&object, "family", &family) &&
                    sigchain_object_get_u64(&object, "bits", &bits) &&
                    sigchain_object_get_u64(&object, "instance", &iid) &&
                    get_bytes(&object, "prefix", p->eid.addr.b, 16)) {
                        p->eid.addr.family = (uint8_t)family;
                        p->eid.bits = (uint8_t)bits;
                        p->eid.iid = (uint32_t)iid;
                        for (size_t j = 0; j < out->identity_count; j++) {
                                eid_address(out->identity[j].iid, &out->identity[j].eid, &wanted);
                                if (!lx_hash_eq(&wanted, &eid))
                                        continue;
                                p->identity = (uint8_t)j;
                                out->prefix_count++;
                                break;
                        }
                }
                lx_buf_clear(&buf);
        }
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
        char item[128];

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
        char item[128];

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

/* "PREFIX KEY-ID sha256|sha1 KEY [random-nonces]" */
static enum lx_err
read_site(char *line, struct router_site *out)
{
        static const char blanks[] = " \t\n";
        char *rest, *prefix = strtok_r(line, blanks, &rest), *id = strtok_r(NULL, blanks, &rest),
             *alg = strtok_r(NULL, blanks, &rest), *key = strtok_r(NULL, blanks, &rest),
             *more = strtok_r(NULL, blanks, &rest), *end;
        unsigned long number;

        if (key == NULL || !router_eid_parse(prefix, &out->eid) || strlen(key) > sizeof(out->key))
                return LX_ERR_FORMAT;
        number = strtoul(id, &end, 10);
        if (*end != '\0' || number > 255)
                return LX_ERR_FORMAT;
        out->key_id = (uint8_t)number;
        if (strcmp(alg, "sha256") == 0)
                out->alg = ROUTER_ALG_SHA256_128;
        else if (strcmp(alg, "sha1") == 0)
                out->alg = ROUTER_ALG_SHA1_96;
        else
                return LX_ERR_FORMAT;
        out->key_len = (uint8_t)strlen(key);
        memcpy(out->key, key, out->key_len);
        out->random_nonces = more != NULL && strcmp(more, "random-nonces") == 0;
        return more == NULL || out->random_nonces ? LX_OK : LX_ERR_FORMAT;
}

static enum lx_err
read_sites(const struct node_conf *conf, struct router_options *out, struct lx_why *why)
{
        struct lx_buf text = {0};
        char *line, *rest;
        unsigned number = 0;
        enum lx_err err;

        if (conf->router_site == NULL)
                return LX_OK;
        err = lx_file_read(conf->router_site, 1u << 16, &text, why);
        if (err != LX_OK)
                return err;
        (void)lx_buf_str(&text);
        for (rest = (char *)text.p; err == LX_OK && (line = strsep(&rest, "\n")) != NULL;) {
                number++;
                line[strcspn(line, "#")] = '\0';
                if (line[strspn(line, " \t")] == '\0')
                        continue;
                if (out->site_count == ROUTER_SITES_MAX || read_site(line, &out->site[out->site_count]) != LX_OK) {
                        lx_why_set(why, "%s line %u is not \"PREFIX KEY-ID sha256|sha1 KEY [random-nonces]\", or one "
                            "too many", conf->router_site, number);
                        err = LX_ERR_USAGE;
                }
                out->site_count++;
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
read_routes(struct overlay *o, struct router_io_options *out)
{
        const struct sigchain_genesis *g = ledger_genesis(o->ledger);
        struct router_eid *route = &out->route[out->route_count++];

        *route = (struct router_eid){.bits = 32, .addr = {.family = 6}};
        memcpy(route->addr.b, g->eid_prefix, 4);
        for (size_t i = 0; i < g->root_count && out->route_count < ROUTER_ROUTES_MAX; i++) {
                route = &out->route[out->route_count++];
                *route = (struct router_eid){.bits = g->root[i].bits, .addr = {.family = g->root[i].family}};
                memcpy(route->addr.b, g->root[i].prefix, 16);
        }
}

/* ---- names (the DNS thread) ------------------------------------------------------------------------ */

/* The EID that a name register's target is; false: it points to nothing, or to something else. */
static bool
eid_of_target(struct ledger_view *view, const struct lx_hash *target, struct router_addr *out)
{
        struct router_owner found = {0};

        if (target->b[0] != SIGCHAIN_EID || read_eid(view, target, &found) != LX_OK)
                return false;
        *out = found.host;
        return true;
}

static bool
forward(void *arg, struct lx_span name, struct router_addr *out)
{
        struct overlay *o = arg;
        struct ledger_view *view = ledger_view_new(o->ledger);
        struct lx_buf buf = {0};
        struct sigchain_object object;
        struct lx_hash address, target;
        bool found;

        sigchain_address(ops(), SIGCHAIN_NAME, name.p, name.len, &address);
        found = read_object(view, &address, &buf, &object) == LX_OK &&
                sigchain_object_get_hash(&object, "target", &target) && eid_of_target(view, &target, out);
        lx_buf_clear(&buf);
        ledger_view_unref(view);
        return found;
}

/* Whether the name register at @address points to @target; its name into @out. */
static bool
points_to(struct ledger_view *view, const struct lx_hash *address, const struct lx_hash *target,
    char out[DNS_NAME_MAX + 1])
{
        struct lx_buf buf = {0};
        struct sigchain_object object;
        struct lx_hash is;
        bool found = read_object(view, address, &buf, &object) == LX_OK &&
                     sigchain_object_get_hash(&object, "target", &is) && lx_hash_eq(&is, target);

        if (found) {
                const struct sigchain_field *name = sigchain_object_find(&object, "name");

                (void)snprintf(out, DNS_NAME_MAX + 1, "%.*s", (int)name->bytes.len, (const char *)name->bytes.p);
        }
        lx_buf_clear(&buf);
        return found;
}

/* There is no index from targets to names: the first NAMES_SEARCHED names are looked through. */
static bool
reverse(void *arg, const struct router_addr *eid, char out[DNS_NAME_MAX + 1])
{
        struct overlay *o = arg;
        struct ledger_view *view = ledger_view_new(o->ledger);
        struct lx_hash *names = lx_alloc_array(NAMES_SEARCHED, sizeof(*names)), target;
        size_t count = 0;
        bool found = false;

        eid_address(0, eid, &target);
        if (ledger_list_type(view, SIGCHAIN_NAME, NULL, names, NAMES_SEARCHED, &count) == LX_OK)
                for (size_t i = 0; i < count && !found; i++)
                        found = points_to(view, &names[i], &target, out);
        lx_free(names);
        ledger_view_unref(view);
        return found;
}

static enum lx_err
open_dns(struct overlay *o, struct lx_why *why)
{
        struct dns_zone zone = {.ttl_s = 60, .forward = forward, .reverse = reverse, .arg = o};
        enum lx_err err;

        if (o->conf->dns_listen == NULL)
                return LX_OK;
        memcpy(zone.eid_prefix, ledger_genesis(o->ledger)->eid_prefix, 4);
        err = dns_io_open(o->conf->dns_listen, &zone, &o->dns, why);
        if (err == LX_OK)
                log_notice(ROUTER, "answering DNS", "address=%s zone=lx", o->conf->dns_listen);
        return err;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static enum lx_err
read_options(struct overlay *o, struct router_io_options *out, struct lx_why *why)
{
        const struct node_conf *conf = o->conf;
        struct router_options *m = &out->router;
        const char *list = conf->router_eid;
        char item[128];
        enum lx_err err = LX_OK;

        *m = (struct router_options){.ledger = {.chain_id = *ledger_chain_id(o->ledger), .owner = owner,
            .header = header, .tip = tip, .nodes = nodes, .arg = o}, .serve = true};
        while (err == LX_OK && next_item(&list, item))
                err = read_identity(o, item, m, why);
        if (err == LX_OK)
                err = read_rlocs(conf, m, why);
        if (err == LX_OK)
                err = read_plain(conf, m, why);
        if (err == LX_OK)
                err = read_sites(conf, m, why);
        if (err == LX_OK)
                err = take_counter(conf, &m->counter, why);
        read_prefixes(o, m);
        read_routes(o, out);
        out->tun = conf->router_tun != NULL && strcmp(conf->router_tun, "none") != 0 ? conf->router_tun : NULL;
        out->woken = refresh;
        out->addresses = conf->router_rloc == NULL ? addresses : NULL;
        out->woken_arg = o;
        return err;
}

static enum lx_err
open_router(struct overlay *o, struct lx_why *why)
{
        struct router_io_options *options = lx_alloc(sizeof(*options));
        enum lx_err err;

        o->memory = lx_alloc_array(MEMORY, sizeof(*o->memory));
        refresh(o);
        err = read_options(o, options, why);
        if (err == LX_OK)
                err = router_io_open(options, &o->io, why);
        if (err == LX_OK) {
                char eid[ROUTER_TEXT_MAX] = "none";

                if (options->router.identity_count > 0)
                        router_addr_format(&options->router.identity[0].eid, eid);
                log_notice(ROUTER, "routing", "eid=%s prefixes=%zu rlocs=%zu map-servers=%zu device=%s", eid,
                    options->router.prefix_count, options->router.rloc_count, o->node_count,
                    options->tun != NULL ? options->tun : "none");
        }
        lx_wipe(options, sizeof(*options));
        lx_free(options);
        return err;
}

enum lx_err
overlay_open(const struct node_conf *conf, struct ledger *ledger, struct overlay **out_overlay,
    struct lx_why *why)
{
        struct overlay *o = lx_alloc(sizeof(*o));
        enum lx_err err = LX_OK;

        o->conf = conf;
        o->ledger = ledger;
        if (conf->router)
                err = open_router(o, why);
        if (err == LX_OK)
                err = open_dns(o, why);
        if (err != LX_OK) {
                overlay_close(o);
                return err;
        }
        *out_overlay = o;
        return LX_OK;
}

void
overlay_close(struct overlay *overlay)
{
        if (overlay == NULL)
                return;
        dns_io_close(overlay->dns);
        router_io_close(overlay->io);
        ledger_view_unref(overlay->view);
        lx_free(overlay->memory);
        lx_free(overlay);
}

void
overlay_new_block(struct overlay *overlay)
{
        if (overlay != NULL && overlay->io != NULL)
                router_io_new_block(overlay->io);
}

void
overlay_tick(struct overlay *overlay, uint64_t height)
{
        if (overlay == NULL || overlay->height == height)
                return;
        overlay->height = height;
        overlay_new_block(overlay);
}

struct router_io *
overlay_router(struct overlay *overlay)
{
        return overlay != NULL ? overlay->io : NULL;
}
