#!/bin/bash
# Four validators and two full nodes in namespaces over links of 50 ms and 1 % loss: what is sent to any node
# becomes final on all; kill -9, partition and heal, a wiped validator, the set grown to seven and shrunk to
# three, a rule of the network changed while it runs, a node that joins by snapshot.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "needs root, for network namespaces"; exit 77; }
[ -c /dev/net/tun ] || { echo "needs /dev/net/tun"; exit 77; }
work=$(mktemp -d)
export LX_LOCALNET=$work/net LX_BUILDDIR=${LX_BUILDDIR:-.}
net() { "$LX_SRCDIR/contrib/localnet" "$@"; }
cleanup() {
        status=$?
        if [ $status != 0 ] && [ $status != 77 ]; then
                for log in "$LX_LOCALNET"/n*/log; do echo "== $log"; tail -5 "$log"; done >&2 || true
                for i in $(seq "$(cat "$LX_LOCALNET/count")"); do
                        echo "== node $i"
                        lx "$i" --json status | jq -c '[.height, .consensus, .certificate, .sync, .peers, .reasons, .mempool]'
                done >&2 || true
        fi
        net down || true
        rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' TERM INT
fail() { echo "FAIL: $*" >&2; exit 1; }
lx() { local i=$1; shift; "$LX_BUILDDIR/lx" --datadir "$LX_LOCALNET/n$i/data" --key-file "$work/key" "$@"; }
height() { lx "$1" --json status | jq .height; }
# final NODE: write through this node, once it has what was written through others; the address of the register
newest=
final() {
        local out tries=0
        [ -z "$newest" ] || seen "$newest" "$1"
        # An update handed in through another node may still be on its way to this one.
        until out=$(lx "$1" --json register create --data "at $1 $RANDOM"); do
                tries=$((tries + 1))
                [ $tries -lt 20 ] || fail "node $1 takes no transaction"
                sleep 0.5
        done
        jq -r .address <<<"$out"
}
# seen ADDRESS NODE...: wait until these nodes have the register (at most 60 s: then something is wrong)
seen() {
        local address=$1 tries i
        shift
        for i in "$@"; do
                tries=0
                until lx "$i" register get "$address" >/dev/null 2>&1; do
                        tries=$((tries + 1))
                        [ $tries -lt 240 ] || fail "node $i never had $address"
                        sleep 0.25
                done
        done
}
# write NODE SEER...: final, then seen
write() {
        newest=$(final "$1")
        seen "$newest" "${@:2}"
}
all_agree() {
        local low h
        low=$(for i in "$@"; do height "$i"; done | sort -n | head -1)
        h=$(for i in "$@"; do lx "$i" --json chain header "$low" | jq -r .hash; done | sort -u | wc -l)
        [ "$h" = 1 ] || fail "different headers at height $low"
}

step() { echo "$(date +%T) $*"; }

step "up"
LX_LOCALNET_SPARE=5 net up 4 2 >/dev/null
net link 50 1 0
"$LX_BUILDDIR/lx" --yes keygen device "$work/key" >/dev/null
lx 1 profile create >/dev/null

step "transactions at every node"
for i in 1 2 3 4 5 6; do write "$i" 1 2 3 4 5 6; done
all_agree 1 2 3 4 5 6

step "kill -9 of one validator"
net kill 2
write 1 1
a=$newest
write 6 6
b=$newest
lx 1 --json status | jq -e '.certificate.missing | index("v2")' >/dev/null || fail "status does not say who is missing"
net start 2
seen "$a" 2
seen "$b" 2

step "two halves: no progress, no fork"
net partition 1,2,5/3,4,6
! timeout 8 "$LX_BUILDDIR/lx" --datadir "$LX_LOCALNET/n1/data" --key-file "$work/key" register create --data lost >/dev/null 2>&1 ||
    fail "half of the power decided"
before=$(height 1)
[ "$before" = "$(height 1)" ] || fail "half of the power decided"
net heal
write 3 1 2 3 4 5 6
all_agree 1 2 3 4 5 6

step "a validator wiped and synced anew"
net kill 4
net wipe 4
net start 4
write 3 4
write 4 1 2 3 4
lx 4 --json status | jq -e '.consensus.validator' >/dev/null || fail "node 4 is no validator any more"

step "from four to seven validators"
update() { # FILE: everybody who is asked signs it, then it is handed in
        local file=$1 kind=$2 k
        shift 2
        for k in "$@"; do
                "$LX_BUILDDIR/lx" --yes "$kind" sign "$file" --validator-key "$LX_LOCALNET/n$k/validator.key" >/dev/null
        done
        lx 1 "$kind" submit "$file" >/dev/null
}
key() { sed -n 's/^public //p' "$LX_LOCALNET/n$1/validator.key"; }
net add >/dev/null
lx 1 validator propose --add "v5:$(key 5):1" --add "v6:$(key 6):1" --add "v7:$(key 7):1" "$work/grow" >/dev/null
! lx 1 validator submit "$work/grow" 2>/dev/null || fail "an unsigned proposal was handed in"
update "$work/grow" validator 1 2 3
write 7 1 2 3 4 5 6 7
net kill 3
write 5 1 2 4 5 6 7
lx 5 --json status | jq -e '.certificate.of == 7' >/dev/null || fail "not seven validators"
net start 3

step "from seven to three"
lx 1 validator propose --remove v1 --remove v2 --remove v3 --remove v4 "$work/shrink" >/dev/null
update "$work/shrink" validator 1 2 4 5 7
write 6 1 2 4 5 6 7
lx 6 --json status | jq -e '.certificate.of == 3' >/dev/null || fail "not three validators"
net kill 1
write 2 2 4 5 6 7
net start 1

step "a parameter changed while running"
lx 2 parameter propose block-ops=777 "$work/parameter" >/dev/null
update "$work/parameter" parameter 5 6 7
write 5 1 5 6 7
lx 7 --json rpc chain.params | jq -e '.params["block-ops"] == 777' >/dev/null || fail "the parameter is as it was"

step "a node joins by snapshot"
LX_LOCALNET_OPTIONS='--sync snapshot' net add >/dev/null
write 5 8
all_agree 1 5 6 7 8
net stop 5
"$LX_BUILDDIR/lxnoded" --datadir "$LX_LOCALNET/n5/data" --check-db >/dev/null || fail "check-db"
echo PASS
