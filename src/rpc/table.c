/* rpc/table.c - the command table; parameters, help and OpenRPC from it. */
#include "config.h"
#include "rpc/rpc_int.h"

#include <string.h>

static const struct rpc_row ROWS[] = {
    {"node.status", rpc_node_status, "", "version network chain_id height hash time age_ms",
        "The node at a glance: its chain, its tip, whether it is ready."},
    {"node.stop", rpc_node_stop, "", "stopping", "Stop the node cleanly."},
    {"node.backup", rpc_node_backup, "dir:str", "dir height",
        "Write a consistent copy of the store into a new directory."},
    {"node.log", rpc_node_log, "spec:str", "spec", "Set the log level: LEVEL or LEVEL:CATEGORY."},
    {"peer.list", rpc_peer_list, "", "id listen peers bans",
        "Connections to other nodes: traffic, latency, height, points; and who is banned, why."},
    {"peer.add", rpc_peer_add, "peer:str", "peer",
        "Stay connected to ID@HOST:PORT until the node stops."},
    {"peer.ban", rpc_peer_ban, "target:str seconds:u64? reason:str?", "target seconds reason",
        "Ban a node id or an address (a day by default); whoever it is, is dropped."},
    {"peer.unban", rpc_peer_unban, "target:str", "target", "Lift a ban."},
    {"guard.report", rpc_guard_report,
        "mode:str height:u64? age:u64? entries:u64? judged:u64? allowed:u64? denied:u64? would_deny:u64? "
        "overflows:u64? events:u64? findings:list?", "taken",
        "The guard of this machine tells how it is doing."},
    {"guard.status", rpc_guard_status, "", "guard", "What the guard of this machine told last; null: nothing."},
    {"rpc.help", rpc_help, "method:str?", "methods", "The methods, or one of them."},
    {"rpc.discover", rpc_discover, "", "openrpc info methods", "All methods as an OpenRPC document."},
    {"chain.genesis", rpc_chain_genesis, "", "chain_id document bytes", "The genesis document."},
    {"chain.params", rpc_chain_params, "", "height params", "The parameters in force."},
    {"chain.header", rpc_chain_header, "height:u64? hash:hash?",
        "height hash time header cert valset tx_count fields", "One header; without arguments the tip."},
    {"chain.headers", rpc_chain_headers, "from:u64 count:u64", "headers",
        "A run of headers with certificates (at most 500)."},
    {"chain.block", rpc_chain_block, "height:u64? hash:hash?", "height hash transactions",
        "One block: its header and the ids of its transactions."},
    {"chain.pass", rpc_chain_pass, "from:u64 watch:list?", "height from bytes",
        "A pass file for light nodes (doc/light.md): headers from a height on, and states."},
    {"chain.tx", rpc_chain_tx, "id:hash prove:bool?", "id height index bytes status fields", "One transaction."},
    {"chain.consistency", rpc_chain_consistency, "from:u64 to:u64?", "from to path",
        "The proof that the history of one header continues that of another."},
    {"chain.ancestor", rpc_chain_ancestor, "height:u64", "height hash index size path",
        "The proof that a header is in the history of the tip."},
    {"chain.submit", rpc_chain_submit, "tx:hex wait:str?", "id height index status",
        "Hand in a signed transaction; returns when it is final (or accepted)."},
    {"chain.waiting", rpc_chain_waiting, "genesis:hash", "transactions",
        "The transactions of a signature chain that wait for a block."},
    {"chain.drop", rpc_chain_drop, "wish:hex", "id",
        "Drop a waiting transaction, and those behind it, by a wish that its key signed."},
    {"guard.subscribe", rpc_guard_subscribe, "above:u64 seconds:u64?", "height",
        "The height of the tip as soon as it is above the given one, else after some seconds (at most 25)."},
    {"profile.get", rpc_profile_get, "genesis:hash prove:bool?",
        "genesis exists sequence last next created modified crypto", "A signature chain."},
    {"register.get", rpc_register_get, "address:hash height:u64? prove:bool?",
        "address type standard owner created modified pending data fields height since",
        "An object register, now or as of a height."},
    {"register.list", rpc_register_list, "owner:hash? standard:str? after:hash? limit:u64?",
        "registers more", "Registers of an owner, of a standard, or all."},
    {"register.history", rpc_register_history, "address:hash below:u64? limit:u64?", "heights more",
        "The heights at which a register changed, newest first."},
    {"register.entry", rpc_register_entry, "address:hash index:u64 prove:bool?",
        "address index count entry", "One entry of an append register."},
    {"name.resolve", rpc_name_resolve, "name:str prove:bool?", "name address target owner",
        "Where a name points to."},
    {"name.list", rpc_name_list, "owner:hash? after:hash? limit:u64?", "names more", "Names."},
    {"prefix.match", rpc_prefix_match, "instance:u64 address:str prove:bool?",
        "found prefix register owner", "The longest prefix that covers an address, and its owner."},
    {"route.list", rpc_route_list, "", "routes", "The routes that this node's router knows."},
    {"route.resolve", rpc_route_resolve, "eid:str iid:u64?", "prefix iid source rlocs ttl sequence eid",
        "Where an EID is reached; source \"pending\" while it is being asked about."},
    {"route.register", rpc_route_register, "", "registering", "Register this node's EIDs again, now."},
    {"token.debits", rpc_token_debits, "account:hash", "debits", "Debits that an account may credit."},
    {"binary.lookup", rpc_binary_lookup, "digest:hash publishers:list? prove:bool?",
        "digest found matches", "Who published a digest (file root, SHA-256 or fs-verity)."},
    {"binary.release", rpc_binary_release, "release:hash from:u64? limit:u64? prove:bool?",
        "release name version publisher entries list more", "A release and its entries."},
    {"blob.stat", rpc_blob_stat, "kind:str root:hash", "kind root present length",
        "Whether a blob is stored here."},
    {"blob.prove", rpc_blob_prove, "root:hash first:u64 count:u64", "root first count size leaves path",
        "Leaf hashes of a range of a file's pages, and the proof that they are in its root."},
    {NULL, NULL, NULL, NULL, NULL}};

const struct rpc_row *
rpc_rows(void)
{
        return ROWS;
}

static json_t *
describe(const struct rpc_row *row)
{
        return json_pack("{s:s,s:s,s:s,s:s}", "name", row->name, "summary", row->summary, "params",
            row->params, "result", row->result);
}

enum lx_err
rpc_help(struct rpc_call *call)
{
        const char *method = rpc_str(call, "method");
        json_t *methods = json_array();

        for (const struct rpc_row *row = ROWS; row->name != NULL; row++)
                if (method == NULL || strcmp(method, row->name) == 0)
                        json_array_append_new(methods, describe(row));
        rpc_set(call, "methods", methods);
        if (json_array_size(methods) > 0)
                return LX_OK;
        lx_why_set(&call->why, "there is no method %.60s", method);
        return LX_ERR_ABSENT;
}

static const char *
schema_type(const char *type, size_t len)
{
        if (len == 3 && memcmp(type, "u64", 3) == 0) /* public */
                return "integer";
        if (len == 4 && memcmp(type, "bool", 4) == 0) /* public */
                return "boolean";
        return len == 4 && memcmp(type, "list", 4) == 0 ? "array" : "string"; /* public */
}

static json_t *
openrpc_params(const char *spec)
{
        json_t *params = json_array();

        while (*spec != '\0') {
                size_t len = strcspn(spec, " "), name = strcspn(spec, ":");
                bool optional = spec[len - 1] == '?';

                json_array_append_new(params,
                    json_pack("{s:s%,s:b,s:{s:s}}", "name", spec, name, "required", !optional, "schema",
                        "type", schema_type(spec + name + 1, len - name - 1 - optional)));
                spec += len;
                spec += *spec == ' ';
        }
        return params;
}

enum lx_err
rpc_discover(struct rpc_call *call)
{
        json_t *methods = json_array();

        for (const struct rpc_row *row = ROWS; row->name != NULL; row++)
                json_array_append_new(methods,
                    json_pack("{s:s,s:s,s:s,s:o,s:{s:s,s:{s:s}}}", "name", row->name, "summary",
                        row->summary, "paramStructure", "either", "params",
                        openrpc_params(row->params), "result", "name", "result", "schema", "type",
                        "object"));
        rpc_set(call, "openrpc", json_string("1.2.6"));
        rpc_set(call, "info", json_pack("{s:s,s:s}", "title", "lxnoded", "version", PACKAGE_VERSION));
        rpc_set(call, "methods", methods);
        return LX_OK;
}
