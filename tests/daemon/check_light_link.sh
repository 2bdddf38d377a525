#!/bin/bash
# A light node and a station over a real link of 9600 bit/s, 300 ms one way and 2 % loss that is cut and healed:
# it ends with the tip and what it watches proven.
set -eu
[ "$(id -u)" = 0 ] && [ -c /dev/net/tun ] || { echo "needs root and /dev/net/tun"; exit 77; }
. "${LX_SRCDIR:-.}/tests/daemon/lib.sh"
a=lxlink-a-$$ b=lxlink-b-$$
light=$work/l
clean() {
        cleanup
        ip netns del "$a" 2>/dev/null || true
        ip netns del "$b" 2>/dev/null || true
}
trap clean EXIT
ip netns add "$a" 2>/dev/null || { echo "needs network namespaces"; exit 77; }
ip netns add "$b"
mkfifo "$work/out"
"$build/tests/tools/linkbox" --control "$work/ctl" --seed 7 "a:$a:wan0:10.77.1.0/24" "b:$b:wan0:10.77.2.0/24" \
    >"$work/out" 2>>"$work/log" &
helpers=$!
read -r line <"$work/out" || line=
[ "$line" = ready ] || { echo "linkbox does not run here: $line"; exit 77; }
ip -n "$a" addr add 10.77.1.1/8 dev wan0
ip -n "$b" addr add 10.77.2.1/8 dev wan0
say() { printf '%s' "$1" | socat -u - "UNIX-SENDTO:$work/ctl"; }
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

ip netns exec "$a" "$build/lxnoded" --dev --datadir "$dir" --rpc-listen none --listen 10.77.1.1:5389 >>"$work/log" 2>&1 &
pid=$!
until lx status >/dev/null 2>&1; do kill -0 "$pid" 2>/dev/null || fail "the node did not start"; done
lx --yes keygen device "$work/dev.key" >/dev/null
lx --key-file "$work/dev.key" profile create dev >/dev/null 2>&1 || true
watched=
for i in 1 2 3 4 5 6; do
        address=$(lx --key-file "$work/dev.key" --json register create --kind raw --data "number $i" | field address)
        watched="$watched --watch $address"
done
[ -n "$address" ] || fail "no register"
height=$(lx --json chain head | field height)
id=$(lx --json peer list | field id)
trusted=$(lx --json chain header 1 | field hash)

say 'link a b delay 300 loss 2 rate 9600'
# shellcheck disable=SC2086 # words on purpose
ip netns exec "$b" "$build/lxnoded" --light --datadir "$light" --rpc-listen none --genesis "$dir/genesis.json" \
    --trust "1:$trusted" $watched --peer "$id@10.77.1.1:5389" >>"$work/log" 2>&1 &
helpers="$helpers $!"
done_yet() {
        "$build/lx" --datadir "$light" --json status >"$work/status" 2>/dev/null || return 1
        grep -q "\"height\":$height,\|\"height\": $height," "$work/status" &&
            "$build/lx" --datadir "$light" contact next 2>/dev/null | grep -q "missing    nothing"
}
# Cut for a moment every few seconds, at first; then let it be.
begin=$SECONDS
for round in $(seq 1200); do
        if done_yet; then break; fi
        sleep 0.1
        if [ "$round" = 25 ] || [ "$round" = 60 ]; then
                say 'cut a b'
                sleep 1
                say 'heal a b'
        fi
done
done_yet || fail "not done after $((SECONDS - begin)) s: $("$build/lx" --datadir "$light" contact next 2>&1)"
"$build/lx" --datadir "$light" register get "$address" | grep -q 6e756d6265722036 || fail "another value"
"$build/lx" --datadir "$light" contact list | grep -q honest || fail "not honest"
echo "done after $((SECONDS - begin)) s; $("$build/lx" --datadir "$light" contact next | grep bytes)"
