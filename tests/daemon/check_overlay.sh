#!/bin/bash
# Four sites in network namespaces, three of them map-servers: they find each other, by EID and by name, sealed; one loses its router, one
# moves; what is on the wire is dissected without a mark. Needs root.
set -eu
[ "$(id -u)" = 0 ] && ip netns list >/dev/null 2>&1 || { echo "needs root and network namespaces"; exit 77; }
[ -e /dev/net/tun ] || { echo "needs /dev/net/tun"; exit 77; }
LAB=$(mktemp -d)/lab
LAB_NAME=lxt$$
BUILD=$LX_BUILDDIR
SERVERS=3
export LAB LAB_NAME BUILD SERVERS
lab() { "$LX_SRCDIR/contrib/overlay-lab" "$@" </dev/null; }
capture=
cleanup() {
        [ -z "$capture" ] || kill "$capture" 2>/dev/null || true
        lab down
        rm -rf "$(dirname "$LAB")"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; tail -n 5 "$LAB"/*.log >&2; exit 1; }

lab up 4 || fail "up"
if command -v tshark >/dev/null; then
        ip netns exec "$LAB_NAME-2" tshark -i eth0 -f 'udp port 4341 or udp port 4342' -w "$LAB/wire.pcap" >"$LAB/tshark.out" 2>&1 &
        capture=$!
fi
lab test || fail "all pairs"
lab routes 1 | grep -q ' sealed ' || fail "not sealed"

# Names: forward over UDP and TCP, reverse, and what is not there.
cat >"$LAB/ask.py" <<'END'
import ipaddress, socket, struct, sys
def ask(name, kind, tcp):
    q = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0)
    q += b''.join(bytes([len(l)]) + l.encode() for l in name.split('.')) + b'\0' + struct.pack('>HH', kind, 1)
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    s.settimeout(3)
    s.connect(('127.0.0.1', 5391))
    s.send(struct.pack('>H', len(q)) + q if tcp else q)
    d = s.recv(4096)
    return d[2:] if tcp else d
eid = ipaddress.ip_address(sys.argv[1])
for tcp in (False, True):
    assert ask('site2.lx', 28, tcp)[-16:] == eid.packed
    assert ask('nobody.lx', 28, tcp)[3] & 15 == 3
    assert ask('example.org', 28, tcp)[3] & 15 == 5
assert ask(eid.reverse_pointer, 12, False).endswith(b'\x05site2\x02lx\x00')
END
lab exec 1 python3 "$LAB/ask.py" "$(lab eid 2)" || fail "names"

# Site 4 moves while site 1 pings it every 10 ms: the silence is short.
lab exec 1 ping -6 -i 0.01 -c 400 -W 1 "$(lab eid 4)" >"$LAB/ping" &
pinging=$!
read -rt 1 <> <(:) || true
lab move 4 >/dev/null
wait "$pinging" || true
got=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$LAB/ping")
echo "move: $got of 400 pings came back"
[ "$got" -ge 200 ] || fail "after the move $got of 400 came back"
lab exec 3 ping -6 -q -c 3 -i 0.2 -W 2 "$(lab eid 4)" | grep -q ' 0% packet loss' || fail "site 4 is not found after the move"

# A map-server dies; a site that starts afresh, and knows nothing, finds the others.
lab kill 1
lab kill 4
lab start 4
for i in 2 3; do
        lab exec 4 ping -6 -q -c 3 -i 0.2 -W 3 "$(lab eid "$i")" | grep -q ' 0% packet loss' ||
            fail "map-server 1 dead: 4 does not find $i"
done
lab start 1
lab exec 1 ping -6 -c 20 -i 0.2 -W 2 "$(lab eid 2)" | grep -q 'bytes from' || fail "site 1 does not come back"

# Site 4 goes behind a NAT: it speaks first, and it is spoken to first by who never heard of it.
if command -v nft >/dev/null; then
        lab nat 4
        lab exec 4 ping -6 -c 20 -i 0.2 -W 2 "$(lab eid 3)" | grep -q 'bytes from' || fail "behind a NAT: 4 does not reach 3"
        lab kill 2
        lab start 2
        lab exec 2 ping -6 -c 20 -i 0.2 -W 3 "$(lab eid 4)" | grep -q 'bytes from' || fail "behind a NAT: 2 does not reach 4"
fi

# The counters are served, and what is on the wire has no mark.
ip netns exec "$LAB_NAME-2" curl -s --unix-socket "$LAB/site2/lxnoded.sock" http://n/metrics |
    grep -q '^lxnoded_router_decapsulated_total [1-9]' || fail "no counters"
if [ -n "$capture" ]; then
        kill "$capture"
        wait "$capture" 2>/dev/null || true
        bad='lisp.undecoded || lisp.unexpected_field || lisp.invalid_field || lisp.expected_field || _ws.malformed'
        [ -z "$(tshark -r "$LAB/wire.pcap" -Y "udp.port == 4342 && ($bad)" 2>/dev/null)" ] || fail "marked messages on the wire"
        [ -n "$(tshark -r "$LAB/wire.pcap" -Y 'lisp.type == 3' 2>/dev/null)" ] || fail "no registration was captured"
        # nothing of an inner packet is readable
        ! tshark -r "$LAB/wire.pcap" -x -Y 'udp.port == 4341' 2>/dev/null | grep -q 'hello 1 2' || fail "plain text on the wire"
fi
