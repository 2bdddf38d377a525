#!/bin/bash
# Two real daemons: they meet, meet again after kill -9 of either, by a seed too; bans by hand. Then one
# address holds 1,000 half-open connections, sends junk, floods votes and dribbles frames, all at once: the
# other peer stays connected and its pings come back in time.
set -u
# In a network of its own: the flood uses up ports.
if [ -z "${LX_OWN_NET-}" ] && unshare -n true 2>/dev/null; then
        # shellcheck disable=SC2016 # the inner shell's
        LX_OWN_NET=1 exec unshare -n "$BASH" -c 'ip link set lo up && exec "$BASH" "$0"' "$0"
fi
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
b_dir=$work/b
b_pid=

lxb() { "$build/lx" --datadir "$b_dir" "$@"; }

# until_peers LX COUNT: wait (30 s) until that node has COUNT peers up.
until_peers() {
        for _ in $(seq 300); do
                [ "$("$1" --json peer list 2>/dev/null | jq '[.peers[]? | select(.state == "up")] | length' 2>/dev/null)" = "$2" ] && return
                read -rt 0.1 <><(:) || true
        done
        "$1" peer list >&2
        fail "$1 has not $2 peers"
}

start_b() {
        "$build/lxnoded" --genesis "$work/genesis.json" --datadir "$b_dir" --rpc-listen none --listen none "$@" \
            >>"$work/log.b" 2>&1 &
        b_pid=$!
        helpers="$helpers $b_pid"
        until lxb status >/dev/null 2>&1; do
                kill -0 "$b_pid" 2>/dev/null || { cat "$work/log.b" >&2; fail "the second node did not start"; }
        done
}

start --listen 127.0.0.1:0
listen=$(lx --json peer list | jq -r .listen)
id=$(lx --json peer list | jq -r .id)
chain=$(lx --json status | jq -r .chain_id)
cp "$dir/genesis.json" "$work/genesis.json"
[ "$(stat -c %a "$dir/node.key")" = 600 ] || fail "node.key is not mode 0600"

# they meet, and again after kill -9 of either
start_b --peer "$id@$listen"
until_peers lxb 1
until_peers lx 1
[ "$(lx --json peer list | jq -r '.peers[0].direction')" = in ] || fail "the direction is wrong"
[ "$(lxb --json peer list | jq -r '.peers[0].id')" = "$id" ] || fail "the id is wrong"
[ "$(lxb --json peer list | jq '.peers[0].fixed')" = true ] || fail "a given peer is not shown as given"
kill -9 "$b_pid"; wait "$b_pid" 2>/dev/null
until_peers lx 0
start_b --peer "$id@$listen"
until_peers lx 1
kill -9 "$pid"; wait "$pid" 2>/dev/null
until_peers lxb 0
start --listen "$listen"
until_peers lxb 1
[ "$(lx --json peer list | jq -r .id)" = "$id" ] || fail "the node key changed"
kill "$b_pid"; wait "$b_pid" || fail "the second node did not stop cleanly"
until_peers lx 0

# by a seed, whose key is asked for; then from the book alone
start_b --seed "localhost:${listen##*:}"
until_peers lx 1
kill "$b_pid"; wait "$b_pid"
start_b
until_peers lx 1

# bans by hand; what is wrong is said
b_id=$(lxb --json peer list | jq -r .id)
expect 0 peer ban "$b_id" --seconds 1000 --reason testing
until_peers lx 0
lx peer list | grep -q "$b_id.*testing" || fail "the ban is not shown"
expect 0 peer unban "$b_id"
expect 1 peer unban "$b_id"
expect 2 peer ban nonsense
expect 2 peer add "$id@$listen"
grep -q own "$work/err" || fail "adding oneself does not say why not"
expect 2 peer add 127.0.0.1:1
kill "$b_pid"; wait "$b_pid"
start_b --peer "$id@$listen"
until_peers lx 1
for bad in "--peer x@127.0.0.1:1" "--listen nowhere" "--seed 127.0.0.1"; do
        # shellcheck disable=SC2086 # words on purpose
        "$build/lxnoded" --dev --datadir "$work/c" --rpc-listen none $bad >/dev/null 2>"$work/err" && fail "$bad was taken"
        grep -q -e "${bad%% *}\|HOST:PORT\|ADDRESS:PORT" "$work/err" || fail "$bad: $(cat "$work/err")"
done
for bad in "--rpc-listen nonsense" "--rpc-listen 0.0.0.0:1" "--listen 999.1.1.1:1" "--dns-listen foo"; do
        # shellcheck disable=SC2086 # an option and its value
        "$build/lxnoded" --check-config --datadir "$work/c" $bad >/dev/null 2>&1 && fail "--check-config takes $bad"
done
"$build/lxnoded" --check-config --datadir "$work/c" --peer x@h:1 >/dev/null 2>&1 && fail "--check-config takes a bad peer"
"$build/lxnoded" --check-config --datadir "$work/c" --peer "$id@h:1" --peer "$id@[::1]:1" --seed h:1 >/dev/null ||
        fail "--check-config refuses good peers"

# One address does its worst. Its real peers come first: later its strangers take every slot that it may have.
flood() {
        "$build/tests/tools/llpflood" "$@" >"$work/flood.$1" &
        helpers="$helpers $!"
        until grep -q begun "$work/flood.$1" 2>/dev/null; do
                kill -0 $! 2>/dev/null || fail "llpflood $* ended"
        done
}
metric() { curl -s --unix-socket "$dir/lxnoded.sock" http://n/metrics | sed -n "s/^lxnode_peer_$1 //p"; }

peer=$(lx --json peer list | jq '.peers[0].peer')
flood votes "$listen" 127.0.0.66 "$id" "$chain"
for _ in $(seq 300); do
        throttled=$(metric throttled_total)
        [ "$throttled" = 0 ] || break
        read -rt 0.1 <><(:) || true
done
[ "$throttled" -gt 0 ] || fail "the flood of votes was not slowed down"
flood slow "$listen" 127.0.0.66 "$id" "$chain"
flood half "$listen" 127.0.0.66 1000
flood junk "$listen" 127.0.0.66
# What the flood did is seen, and pings of both sides come back in it: 12 s or more.
worst=0 pings=0 last=
for _ in $(seq 200); do
        one=$(lxb --json peer list | jq -r '.peers[0] | "\(.state) \(.latency_ms) \(.messages_in)"')
        [ "${one%% *}" = up ] || fail "the honest peer lost its connection: $one"
        ms=$(cut -d' ' -f2 <<<"$one")
        [ "$one" = "$last" ] || pings=$((pings + 1))
        [ "$ms" -le "$worst" ] || worst=$ms
        last=$one
        [ "$pings" -lt 4 ] || break
        read -rt 0.1 <><(:) || true
done
[ "$pings" -ge 4 ] || fail "no pings came in the flood"
[ "$worst" -le 500 ] || fail "a ping took $worst ms in the flood"
lx --json peer list | jq -e --argjson p "$peer" '.peers[] | select(.peer == $p and .state == "up")' >/dev/null ||
        fail "the honest peer was replaced"
refused=$(metric refused_total)
[ "$refused" -ge 900 ] || fail "only $refused connections were refused"
half=$(metric half_open)
[ "$half" -le 128 ] || fail "$half half-open connections are held"
echo "worst ping $worst ms, $refused connections refused, votes slowed $(metric throttled_total) times"
kill "$b_pid"
stop
