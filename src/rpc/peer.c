/* rpc/peer.c - other nodes: list, add, ban; what status and metrics say of them. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define BAN_SECONDS 86400

/* The swarm, or NULL with the reason. */
static struct llp_swarm *
swarm_of(struct rpc_call *call)
{
        if (call->rpc->options.peers != NULL)
                return llp_swarm_io_swarm(call->rpc->options.peers);
        lx_why_set(&call->why, "this node has no peers");
        return NULL;
}

/* ---- peer.list ---------------------------------------------------------------------------------- */

static json_t *
role_names(uint32_t roles)
{
        static const char *const NAMES[] = {"full", "validator", "light", "archive", "router"};
        json_t *list = json_array();

        for (unsigned i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
                if (roles >> i & 1)
                        json_array_append_new(list, json_string(NAMES[i]));
        return list;
}

static json_t *
addr_json(const struct llp_addr *addr)
{
        char text[LLP_ADDR_TEXT_MAX];

        llp_addr_format(addr, text);
        return json_string(text);
}

/* As the operator gave it: a name, perhaps without an address yet. */
static json_t *
place_json(const struct llp_peer_info *info)
{
        char text[LLP_HOST_MAX + 16];

        (void)snprintf(text, sizeof(text), strchr(info->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
            info->host, info->addr.port);
        return json_string(text);
}

static void
add_traffic(json_t *o, const struct llp_peer_info *info, uint64_t now_ms)
{
        json_object_set_new(o, "latency_ms",
            info->stats.has_latency ? rpc_number(info->stats.latency_ms) : json_null());
        json_object_set_new(o, "latency_min_ms",
            info->stats.has_latency ? rpc_number(info->stats.latency_min_ms) : json_null());
        json_object_set_new(o, "bytes_in", rpc_number(info->stats.bytes_in));
        json_object_set_new(o, "bytes_out", rpc_number(info->stats.bytes_out));
        json_object_set_new(o, "messages_in", rpc_number(info->stats.messages_in));
        json_object_set_new(o, "messages_out", rpc_number(info->stats.messages_out));
        json_object_set_new(o, "queued", rpc_number(info->stats.queued));
        json_object_set_new(o, "throttled", rpc_number(info->stats.throttled));
        json_object_set_new(o, "quiet_ms",
            info->stats.last_input_ms > 0 ? rpc_number(now_ms - info->stats.last_input_ms)
                                          : json_null());
}

static json_t *
peer_json(const struct llp_peer_info *info, uint64_t now_ms)
{
        json_t *o = json_object();

        json_object_set_new(o, "peer", rpc_number(info->peer));
        json_object_set_new(
            o, "id", info->has_id ? lx_json_hex(info->id.b, sizeof(info->id.b)) : json_null());
        json_object_set_new(o, "address",
            info->addr.port != 0 && info->host[0] == '\0' ? addr_json(&info->addr)
                                                          : place_json(info));
        json_object_set_new(o, "direction", json_string(info->inbound ? "in" : "out"));
        json_object_set_new(o, "state", json_string(info->state));
        json_object_set_new(o, "fixed", json_boolean(info->fixed));
        json_object_set_new(o, "agent", json_string(info->hello.agent));
        json_object_set_new(o, "roles", role_names(info->hello.roles));
        json_object_set_new(o, "height", rpc_number(info->height));
        json_object_set_new(
            o, "score", rpc_number(LLP_PUNISH_BAN - info->points % (LLP_PUNISH_BAN + 1)));
        json_object_set_new(
            o, "since_ms", info->since_ms > 0 ? rpc_number(now_ms - info->since_ms) : json_null());
        json_object_set_new(o, "why", json_string(info->why));
        json_object_set_new(o, "next_try_ms",
            rpc_number(info->next_try_ms > now_ms ? info->next_try_ms - now_ms : 0));
        add_traffic(o, info, now_ms);
        return o;
}

static json_t *
ban_json(const struct llp_ban *ban)
{
        char who[LX_HEX_LEN(32)];

        llp_culprit_format(&ban->who, who);
        return json_pack("{s:s,s:s,s:o,s:b,s:s}", "target", who, "kind",
            ban->who.kind == LLP_CULPRIT_KEY ? "id" : "address", "until", rpc_time(ban->until_ms),
            "operator", ban->by_operator, "reason", ban->reason);
}

enum lx_err
rpc_peer_list(struct rpc_call *call)
{
        struct llp_swarm *swarm = swarm_of(call);
        json_t *peers = json_array(), *bans = json_array();
        uint64_t now_ms = lx_clock_now_ms();
        struct llp_peer_info info;
        const struct llp_ban *ban;
        struct lx_pubkey id;

        rpc_set(call, "peers", peers);
        rpc_set(call, "bans", bans);
        if (swarm == NULL)
                return LX_ERR_ABSENT;
        id = llp_swarm_id(swarm);
        rpc_set(call, "id", lx_json_hex(id.b, sizeof(id.b)));
        rpc_set(call, "listen", json_string(call->rpc->options.peers_listen));
        for (size_t i = 0; llp_swarm_peer_at(swarm, i, now_ms, &info); i++)
                json_array_append_new(peers, peer_json(&info, now_ms));
        for (size_t i = 0; (ban = llp_swarm_ban_at(swarm, i)) != NULL; i++)
                json_array_append_new(bans, ban_json(ban));
        return LX_OK;
}

/* ---- peer.add, peer.ban, peer.unban --------------------------------------------------------------- */

enum lx_err
rpc_peer_add(struct rpc_call *call)
{
        struct llp_swarm *swarm = swarm_of(call);
        const char *text = rpc_str(call, "peer");
        struct llp_place place;
        enum lx_err err;

        if (swarm == NULL)
                return LX_ERR_ABSENT;
        err = llp_place_parse(text, &place, &call->why);
        if (err == LX_OK)
                err = llp_swarm_add(swarm, &place, lx_clock_now_ms(), &call->why);
        if (err == LX_OK)
                llp_swarm_io_look(call->rpc->options.peers);
        rpc_set(call, "peer", json_string(text));
        return err;
}

enum lx_err
rpc_peer_ban(struct rpc_call *call)
{
        struct llp_swarm *swarm = swarm_of(call);
        const char *target = rpc_str(call, "target");
        const char *reason = rpc_has(call, "reason") ? rpc_str(call, "reason") : "by hand";
        uint64_t seconds = rpc_limit(call, "seconds", BAN_SECONDS, UINT32_MAX);

        if (swarm == NULL)
                return LX_ERR_ABSENT;
        rpc_set(call, "target", json_string(target));
        rpc_set(call, "seconds", rpc_number(seconds));
        rpc_set(call, "reason", json_string(reason));
        return llp_swarm_ban(swarm, target, seconds, reason, lx_clock_now_ms(), &call->why);
}

enum lx_err
rpc_peer_unban(struct rpc_call *call)
{
        struct llp_swarm *swarm = swarm_of(call);

        if (swarm == NULL)
                return LX_ERR_ABSENT;
        rpc_set(call, "target", json_string(rpc_str(call, "target")));
        return llp_swarm_unban(swarm, rpc_str(call, "target"), &call->why);
}

/* ---- status and metrics --------------------------------------------------------------------------- */

json_t *
rpc_peer_status(struct rpc *rpc)
{
        struct llp_swarm_stats stats = {0};
        char id[LX_HEX_LEN(32)] = "";

        if (rpc->options.peers != NULL) {
                struct llp_swarm *swarm = llp_swarm_io_swarm(rpc->options.peers);

                llp_swarm_get_stats(swarm, &stats);
                lx_hex(llp_swarm_id(swarm).b, 32, id);
        }
        return json_pack("{s:s,s:s,s:I,s:I,s:I}", "id", id, "listen",
            rpc->options.peers != NULL ? rpc->options.peers_listen : "none", "inbound",
            (json_int_t)stats.up_in, "outbound", (json_int_t)stats.up_out, "known",
            (json_int_t)stats.book);
}

static void
line(struct lx_buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
        lx_buf_printf(out,
            "# HELP lxnode_peer_%s %s\n# TYPE lxnode_peer_%s %s\nlxnode_peer_%s %llu\n", name, help,
            name, type, name, (unsigned long long)value);
}

void
rpc_peer_metrics(struct rpc *rpc, struct lx_buf *out)
{
        struct llp_swarm_stats stats;

        if (rpc->options.peers == NULL)
                return;
        llp_swarm_get_stats(llp_swarm_io_swarm(rpc->options.peers), &stats);
        line(out, "inbound", "gauge", "Peers that connected here.", stats.up_in);
        line(out, "outbound", "gauge", "Peers that this node connected to.", stats.up_out);
        line(out, "half_open", "gauge", "Connections before their hello.", stats.half_open);
        line(out, "known", "gauge", "Nodes in the address book.", stats.book);
        line(out, "bans", "gauge", "Bans in force.", stats.bans);
        line(out, "bytes_in_total", "counter", "Bytes received from peers.", stats.bytes_in);
        line(out, "bytes_out_total", "counter", "Bytes sent to peers.", stats.bytes_out);
        line(out, "messages_in_total", "counter", "Messages received.", stats.messages_in);
        line(out, "messages_out_total", "counter", "Messages sent.", stats.messages_out);
        line(out, "queue_full_total", "counter", "Messages that found their queue full.",
            stats.queue_refused);
        line(out, "throttled_total", "counter", "Times that a peer had to wait for its rate.",
            stats.throttled);
        line(out, "accepted_total", "counter", "Connections let in.", stats.accepted);
        line(out, "refused_total", "counter", "Connections refused at the door.", stats.refused);
        line(out, "dialled_total", "counter", "Connections tried.", stats.dialled);
        line(out, "dial_failures_total", "counter", "Of those, failed.", stats.dial_failures);
        line(out, "handshake_failures_total", "counter", "Handshakes that failed.",
            stats.handshake_failures);
        line(out, "punished_total", "counter", "Times that points were given.", stats.punished);
        line(out, "banned_total", "counter", "Bans made.", stats.banned);
}
