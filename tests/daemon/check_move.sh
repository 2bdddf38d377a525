#!/bin/bash
# Four validators on loopback. One moves to another machine: backup, restore, its signing record handed over and taken
# over; the old one signs no more, the new one at once, and nobody signs twice. Another burns down: restored from a
# backup of a neighbour, without its record, it waits before it votes.
set -eu
# In a network of its own, where that can be made: ports are then ours.
if [ -z "${LX_OWN_NET-}" ] && [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
        # shellcheck disable=SC2016 # the inner shell's
        LX_OWN_NET=1 exec unshare -n "$BASH" -c 'ip link set lo up && exec "$BASH" "$0"' "$0"
fi
. "$LX_SRCDIR/tests/daemon/lib.sh"
at() { local i=$1; shift; "$build/lx" --datadir "$work/n$i" --key-file "$work/key" "$@"; }
fail() { echo "FAIL: $*" >&2; for i in 1 2 3 4 5; do [ ! -f "$work/log$i" ] || { echo "== $i"; tail -5 "$work/log$i"; at $i --json status | jq -c '[.height,.consensus,.certificate,.peers]'; } >&2 || true; done; exit 1; }
declare -A pids
# until_true SECONDS COMMAND...: wait for it.
until_true() {
        local end=$((SECONDS + $1))
        shift
        until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || fail "never: $*"; read -rt 0.1 <> <(:) || :; done
}
answers() { at "$1" status; }
# up NODE KEY ARGS...: start it; KEY: number of the validator's key, or none
up() {
        local i=$1 key=$2
        shift 2
        [ "$key" = none ] || set -- --validator-key "$work/v$key" "$@"
        for p in "${peers[@]}"; do set -- "$@" --peer "$p"; done
        "$build/lxnoded" --datadir "$work/n$i" --genesis "$work/genesis.json" --rpc-listen none --listen "${listen[$i]:-127.0.0.1:0}" "$@" \
            >>"$work/log$i" 2>&1 &
        pids[$i]=$!
        helpers="$helpers $!"
        until_true 60 answers "$i"
        listen[i]=$(at "$i" --json peer list | jq -r .listen)
        peers[i]=$(at "$i" --json peer list | jq -r .id)@${listen[$i]}
}
down() { at "$1" stop >/dev/null; wait "${pids[$1]}" || fail "node $1 did not stop cleanly"; }
height() { at "$1" --json status | jq .height; }
past() { [ "$(height "$1")" -ge "$2" ]; }
# signs NAME NODE...: the tip's certificate at one of these (other) nodes has its signature; more than two thirds suffice, so
# each block may lack another's.
signs() {
        local name=$1
        shift
        for i in "$@"; do
                at "$i" --json status | jq -e --arg n "$name" '.certificate | .signers > 2 and (.missing | index($n) | not)' && return 0
        done
        return 1
}
votes() { at "$1" --json status | jq -e .consensus.voting; }
write() { until_true 60 at "$1" register create --data "at $1"; }
innocent() { for i in "$@"; do [ "$(at "$i" --json status | jq .consensus.evidence)" = 0 ] || fail "node $i saw evidence of a double signature"; done; }
peers=() listen=()

args=
for i in 1 2 3 4; do args="$args --validator v$i:$("$build/lx" --yes keygen validator "$work/v$i"):1"; done
# shellcheck disable=SC2086 # words on purpose
"$build/lx" genesis create --network move $args | jq '.parameters["heartbeat-ms"] = 1000' >"$work/genesis.json" || fail "genesis"
"$build/lx" --yes keygen device "$work/key" >/dev/null
for i in 1 2 3 4; do up $i $i; done
until_true 90 past 1 1
until_true 60 at 1 profile create
write 1
for i in 1 2 3 4; do until_true 60 signs v$i $(seq 4 | grep -v $i); done

# ---- a planned move of validator 1 to another machine, n5
at 1 backup "$work/backup" >/dev/null || fail "backup"
"$build/lx" --datadir "$work/n5" restore "$work/backup" >/dev/null || fail "restore"
! "$build/lxnoded" --datadir "$work/n1" --hand-over "$work/bundle" 2>"$work/err" || fail "handed over while it runs"
grep -q 'in use by process' "$work/err" || fail "hand-over, running: $(cat "$work/err")"
down 1
"$build/lxnoded" --datadir "$work/n1" --hand-over "$work/bundle" >/dev/null || fail "hand-over"
"$build/lxnoded" --datadir "$work/n1" --hand-over "$work/bundle" >/dev/null || fail "hand-over, again after a power cut"
! "$build/lxnoded" --datadir "$work/n1" --genesis "$work/genesis.json" --validator-key "$work/v1" --rpc-listen none --listen none 2>"$work/err" ||
    fail "the old validator starts"
grep -q 'has moved to another machine' "$work/err" || fail "the old one: $(cat "$work/err")"
at5=$("$build/lxnoded" --datadir "$work/n5" --take-over "$work/bundle") || fail "take-over"
grep -q 'taken over' <<<"$at5" || fail "take-over says $at5"
"$build/lx" --datadir "$work/n6" restore "$work/backup" >/dev/null
! "$build/lxnoded" --datadir "$work/n6" --take-over "$work/bundle" 2>"$work/err" || fail "taken twice"
grep -q 'taken over already' "$work/err" || fail "twice: $(cat "$work/err")"
! "$build/lxnoded" --datadir "$work/n1" --hand-over "$work/bundle" 2>/dev/null || fail "handed over into what was taken"
unset 'peers[1]'
up 5 1
until_true 60 votes 5
until_true 60 signs v1 2 3 4
from=$(height 2)
until_true 60 past 5 $((from + 2))
# The old machine goes on as a full node.
up 1 none
until_true 60 past 1 $((from + 2))
[ "$(at 1 --json status | jq .validator)" = false ] || fail "the old machine still says it is a validator"

# ---- and back: what was handed over may return
down 5
down 1
unset 'peers[5]' 'peers[1]'
"$build/lxnoded" --datadir "$work/n5" --hand-over "$work/bundle2" >/dev/null || fail "hand-over back"
"$build/lxnoded" --datadir "$work/n1" --take-over "$work/bundle2" >/dev/null || fail "take-over back"
up 1 1
until_true 60 votes 1
until_true 60 signs v1 2 3 4

# ---- validator 2 burns down: a neighbour's backup, its own key, no record
kill -9 "${pids[2]}"; wait "${pids[2]}" 2>/dev/null || true
rm -rf "$work/n2"
write 3
at 3 backup "$work/backup3" >/dev/null || fail "backup of a neighbour"
"$build/lx" --datadir "$work/n2" restore "$work/backup3" >/dev/null || fail "restore of a neighbour's"
unset 'peers[2]'
tip=$(height 3)
up 2 2
from=$(at 2 --json status | jq .consensus.height)
until_true 90 votes 2
[ "$(height 3)" -gt "$tip" ] && [ "$(height 2)" -ge "$from" ] || fail "validator 2 voted without its record at once"
until_true 60 signs v2 1 3 4
innocent 1 2 3 4
for i in 1 2 3 4; do down $i; done
for i in 1 2 3 4; do "$build/lxnoded" --datadir "$work/n$i" --check-db >/dev/null || fail "the store of $i"; done
echo ok
