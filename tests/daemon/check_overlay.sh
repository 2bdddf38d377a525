#!/bin/bash
# Five sites in network namespaces, peers of one network of four validators and a full node, three of them map-servers. With
# registers made after the start they find each other, by EID and by name, sealed; one moves, one goes behind a NAT, a
# map-server dies, another takes its place; two meet behind NATs; a prefix goes to another site, an EID is revoked; what is on the wire is
# dissected without a mark. Needs root.
set -eu
# shellcheck source=tests/daemon/overlay.sh
. "$LX_SRCDIR/tests/daemon/overlay.sh"
SERVERS=3
export SERVERS
# heard FROM ADDRESS...: one ping comes back (ping knows 4 from 6)
heard() { lab exec "$1" ping -c 1 -W 2 "$2"; }
quiet() { ! lab exec "$1" ping -c 1 -W 1 "$2" >/dev/null; }

lab up 5 || fail "up"
if command -v tshark >/dev/null; then
        ip netns exec "$LAB_NAME-2" tshark -i eth0 -f 'udp port 4341 or udp port 4342' -w "$LAB/wire.pcap" >"$LAB/tshark.out" 2>&1 &
        helper=$!
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

# Site 5 moves while site 1 pings it every 10 ms: the silence is short.
lab exec 1 ping -6 -i 0.01 -c 400 -W 1 "$(lab eid 5)" >"$LAB/ping" &
pinging=$!
read -rt 1 <> <(:) || true
lab move 5 >/dev/null
wait "$pinging" || true
got=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$LAB/ping")
echo "move: $got of 400 pings came back"
[ "$got" -ge 200 ] || fail "after the move $got of 400 came back"
within 10 heard 3 "$(lab eid 5)" || fail "site 5 is not found after the move"

# A map-server dies; a site that starts afresh, and knows nothing, finds the others.
lab kill 1
lab kill 5
lab start 5
for i in 2 3; do
        within 15 heard 5 "$(lab eid "$i")" || fail "map-server 1 dead: 5 does not find $i"
done
lab start 1
within 15 heard 1 "$(lab eid 2)" || fail "site 1 does not come back"

# Another node takes the place of a map-server: the registrations follow.
registered_at() { lab routes "$1" | grep -q "^$2.* registered "; }
lab admit 4 || fail "admit"
lab admit 1 0 || fail "dismiss"
for i in 2 3 5; do
        within 20 registered_at 4 "$(lab eid "$i")" || fail "site $i does not register at the new map-server"
done

# The prefix of site 4 goes to site 3.
lab bind 4 3 || fail "bind"
lab exec 3 ip addr add 10.88.4.1/32 dev lx0
lab exec 4 ip addr del 10.88.4.1/32 dev lx0
within 20 heard 1 10.88.4.1 || fail "the prefix does not follow its register"

# Site 4 revokes its EID: who talked to it stops, and it gets nowhere.
within 10 heard 2 "$(lab eid 4)" || fail "site 4 is not reached before it revokes"
lab revoke 4 >/dev/null || fail "revoke"
within 20 quiet 2 "$(lab eid 4)" || fail "a revoked EID is reached"
within 20 quiet 4 "$(lab eid 2)" || fail "a revoked EID reaches others"
taken_back() { [ "$(lab count 2 taken_back)" -gt 0 ]; }
within 20 taken_back || fail "the mapping was not taken back"
within 10 heard 2 "$(lab eid 3)" || fail "others suffer from it"

# Site 5 goes behind a NAT: it speaks first, and it is spoken to first by who never heard of it.
if command -v nft >/dev/null; then
        lab nat 5
        within 15 heard 5 "$(lab eid 3)" || fail "behind a NAT: 5 does not reach 3"
        lab kill 2
        lab start 2
        within 20 heard 2 "$(lab eid 5)" || fail "behind a NAT: 2 does not reach 5"
        # Site 3 too, behind one of its own: the two of them meet through a relay that has no keys.
        lab nat 3
        within 30 heard 3 "$(lab eid 5)" || fail "both behind NATs: 3 does not reach 5"
        within 10 heard 5 "$(lab eid 3)" || fail "both behind NATs: 5 does not reach 3"
        relayed() { [ $(($(lab count 2 relayed) + $(lab count 4 relayed))) -gt 0 ]; }
        within 10 relayed || fail "nothing was relayed"
fi

# The counters are served, and what is on the wire has no mark.
ip netns exec "$LAB_NAME-2" curl -s --unix-socket "$LAB/site2/lxnoded.sock" http://n/metrics |
    grep -q '^lxnoded_router_decapsulated_total [1-9]' || fail "no counters"
if [ -n "$helper" ]; then
        kill "$helper"
        wait "$helper" 2>/dev/null || true
        bad='lisp.undecoded || lisp.unexpected_field || lisp.invalid_field || lisp.expected_field || _ws.malformed'
        [ -z "$(tshark -r "$LAB/wire.pcap" -Y "udp.port == 4342 && ($bad)" 2>/dev/null)" ] || fail "marked messages on the wire"
        [ -n "$(tshark -r "$LAB/wire.pcap" -Y 'lisp.type == 3' 2>/dev/null)" ] || fail "no registration was captured"
        # nothing of an inner packet is readable
        ! tshark -r "$LAB/wire.pcap" -x -Y 'udp.port == 4341' 2>/dev/null | grep -q 'hello 1 2' || fail "plain text on the wire"
fi
