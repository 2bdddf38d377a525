#!/bin/sh
# The box of bad links itself: delay, loss, cut and heal between two namespaces, seen by ping.
set -eu
[ "$(id -u)" = 0 ] && [ -c /dev/net/tun ] || { echo "needs root and /dev/net/tun"; exit 77; }
a=lxbox-a-$$ b=lxbox-b-$$
dir=$(mktemp -d)
box=
clean() {
        [ -z "$box" ] || kill "$box" 2>/dev/null || true
        ip netns del "$a" 2>/dev/null || true
        ip netns del "$b" 2>/dev/null || true
        rm -rf "$dir"
}
trap clean EXIT
fail() { echo "FAIL: $*"; exit 1; }
ip netns add "$a"
ip netns add "$b"
mkfifo "$dir/out"
"$LX_BUILDDIR/tests/tools/linkbox" --control "$dir/ctl" "a:$a:wan0:10.77.1.0/24,fd77:1::/64" \
    "b:$b:wan0:10.77.2.0/24,fd77:2::/64" >"$dir/out" &
box=$!
read -r line <"$dir/out"
[ "$line" = ready ] || fail "linkbox said $line"
say() { printf '%s' "$1" | socat -u - "UNIX-SENDTO:$dir/ctl"; }
n=1
for ns in "$a" "$b"; do
        ip -n "$ns" addr add "10.77.$n.1/8" dev wan0
        ip -n "$ns" addr add "fd77:$n::1/16" dev wan0 nodad
        n=$((n + 1))
done
rtt() { ip netns exec "$a" ping -c 3 -i 0.05 -W 2 -q "$1" | sed -n 's|.*= [0-9.]*/\([0-9]*\)[0-9.]*/.*|\1|p'; }
[ "$(rtt 10.77.2.1)" -lt 20 ] || fail "a link without delay is slow"
say 'link a b delay 50'
[ "$(rtt 10.77.2.1)" -ge 100 ] || fail "no delay over IPv4"
[ "$(rtt fd77:2::1)" -ge 100 ] || fail "no delay over IPv6"
say 'cut a b'
! ip netns exec "$a" ping -c 1 -W 1 -q 10.77.2.1 >/dev/null || fail "a cut link carries packets"
say 'heal a b'
say 'link a b delay 0 loss 50'
lost=$(ip netns exec "$a" ping -c 200 -i 0.002 -W 1 -q 10.77.2.1 | sed -n 's/.* \([0-9]*\)[0-9.]*% packet loss.*/\1/p')
[ "$lost" -ge 60 ] && [ "$lost" -le 90 ] || fail "of both ways at 50 % each, 75 % should be lost, not $lost %"
say 'link a b loss 0 rate 100000'
begin=$(date +%s%N)
ip netns exec "$a" ping -c 5 -i 0.01 -s 1000 -W 5 -q 10.77.2.1 >/dev/null || fail "a slow link carries nothing"
[ $((($(date +%s%N) - begin) / 1000000)) -ge 350 ] || fail "5 kB at 100 kbit/s came too soon"
echo "PASS"
