#!/bin/bash
# /metrics, /health and /ready of a running node; the alert rules and the dashboard name only metrics that it has; with
# promtool (package prometheus) they are held against Prometheus itself too.
set -eu
. "$LX_SRCDIR/tests/daemon/lib.sh"
monitoring=$(readlink -f "$LX_SRCDIR/contrib/monitoring")
get() { curl -s --max-time 20 -o "$work/body" -w '%{http_code}' --unix-socket "$dir/lxnoded.sock" "http://n$1"; }
# A router too, in a network of its own where that can be made: its counters are metrics.
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
        cat >"$work/lxnoded" <<SH
#!/bin/sh
exec unshare -n '$(readlink -f "$build")/lxnoded' "\$@" --router --router-tun none
SH
        chmod +x "$work/lxnoded"
        "$work/lxnoded" --dev --datadir "$dir" --rpc-listen none >>"$work/log" 2>&1 &
        pid=$!
        until lx status >/dev/null 2>&1; do kill -0 "$pid" || fail "the node did not start"; done
        router=yes
else
        start
        router=
fi
[ "$(get /health)" = 200 ] || fail "/health"
[ "$(get /ready)" = 200 ] && [ "$(jq -r '.ready, (.reasons | length)' <"$work/body" | tr '\n' ' ')" = "true 0 " ] || fail "/ready: $(cat "$work/body")"

# What a guard tells: figures and findings; what is no text of bounded length is left out.
[ "$(lx --json rpc guard.status | jq -c .guard)" = null ] || fail "a guard that never spoke"
rpc '{"jsonrpc":"2.0","id":1,"method":"guard.report","params":{"mode":"enforce","entries":6190,"denied":3,"judged":77,
"findings":[{"verdict":"denied","path":"/tmp/x","pid":7,"rule":["no text"],"more":"unknown"}]}}' >"$work/body"
[ "$(lx --json rpc guard.status | jq -c '.guard | [.mode, .entries, .denied, .findings]')" = \
    '["enforce",6190,3,[{"verdict":"denied","path":"/tmp/x","pid":7}]]' ] || fail "guard.status: $(lx --json rpc guard.status)"
long=$(printf '%02000d' 0)
rpc '{"jsonrpc":"2.0","id":1,"method":"guard.report","params":{"mode":"'"$long"'"}}' | grep -q '"error"' || fail "a long mode"
rpc '{"jsonrpc":"2.0","id":1,"method":"guard.report","params":{"mode":"audit","findings":['"$(seq -s, -f '{"path":"/%g"}' 60)"']}}' >/dev/null
[ "$(lx --json rpc guard.status | jq -r '.guard.findings | length, .[0].path' | tr '\n' ' ')" = "50 /11 " ] || fail "only the newest 50"

[ "$(get /metrics)" = 200 ] || fail "/metrics"
cp "$work/body" "$work/metrics"
files="$monitoring/lxnoded.rules.yml $monitoring/grafana.json"
# Without a router its panels cannot be held against anything.
[ -n "$router" ] || { for f in $files; do grep -v lxnoded_router "$f" >"$work/${f##*/}"; done; files="$work/lxnoded.rules.yml"; }
# shellcheck disable=SC2086 # words on purpose
"$LX_SRCDIR/tests/tools/check-metrics" "$work/metrics" $files >"$work/findings" || fail "$(cat "$work/findings")"
for name in lxnoded_height lxnoded_consensus_rounds_lost_total lxnoded_mempool_transactions lxnode_peer_inbound \
    lxnoded_store_disk_bytes lxnoded_datadir_free_bytes lxnoded_guard_denied_total process_open_fds \
    process_resident_memory_bytes process_cpu_seconds_total process_threads; do
        grep -q "^$name " "$work/metrics" || fail "no $name"
done
awk '$1 == "process_open_fds" && $2 < 5 || $1 == "process_resident_memory_bytes" && $2 < 1e6 || $1 == "process_threads" && $2 < 2 ||
    $1 == "process_start_time_seconds" && $2 < 1.7e9 {print; bad = 1} END {exit bad}' "$work/metrics" || fail "figures of the process"
grep -q '^lxnoded_guard_entries 0$' "$work/metrics" || fail "a report replaces the one before"

# The script sees what is wrong.
echo 'lxnoded_height 5' >>"$work/metrics"
! "$LX_SRCDIR/tests/tools/check-metrics" "$work/metrics" >"$work/findings" || fail "a metric twice is not seen"
echo 'expr: lxnoded_no_such_metric > 1' >"$work/rules"
! "$LX_SRCDIR/tests/tools/check-metrics" "$work/body" "$work/rules" >"$work/findings" || fail "an unknown metric is not seen"

if command -v promtool >/dev/null; then
        promtool check metrics <"$work/body" >"$work/out" 2>&1 || fail "promtool check metrics: $(cat "$work/out")"
        promtool check rules "$monitoring/lxnoded.rules.yml" >"$work/out" 2>&1 || fail "promtool check rules: $(cat "$work/out")"
        promtool test rules "$monitoring/lxnoded.rules.test.yml" >"$work/out" 2>&1 || fail "promtool test rules: $(cat "$work/out")"
        sed "s,/etc/prometheus/,$monitoring/," "$monitoring/prometheus.yml" >"$work/prometheus.yml"
        promtool check config "$work/prometheus.yml" >"$work/out" 2>&1 || fail "promtool check config: $(cat "$work/out")"
fi
stop
echo ok
