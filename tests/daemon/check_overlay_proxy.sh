#!/bin/bash
# A host that knows nothing of the overlay behind site 3, which is a proxy for site 1: pings go both ways, sealed between the
# sites; site 2, which nobody named, gets nothing through it. The Map-Request about it says that a proxy asks. Needs root.
set -eu
# shellcheck source=tests/daemon/overlay.sh
. "$LX_SRCDIR/tests/daemon/overlay.sh"
SERVERS=2 VALIDATORS=1
export SERVERS VALIDATORS
heard() { lab exec "$1" ping -c 1 -W 2 -I "$2" "$3"; }

lab up 3 || fail "up"
echo "--router-proxy 172.20.0.0/24=$(lab eid 3)" >"$LAB/options1"
echo "--router-proxy 172.20.0.0/24=$(lab eid 3)" >"$LAB/options2"
echo "--router-proxy-net 172.20.0.0/24 --router-proxy-for 10.88.1.0/24" >"$LAB/options3"
for i in 1 2 3; do
        lab kill "$i"
        lab start "$i"
done
# the plain host lives where the hub is
ip link add p3 netns "$LAB_NAME-hub" type veth peer name plain0 netns "$LAB_NAME-3"
ip -n "$LAB_NAME-hub" addr add 172.20.0.9/24 dev p3
ip -n "$LAB_NAME-hub" link set p3 up
ip -n "$LAB_NAME-hub" route add 10.88.0.0/16 via 172.20.0.1
ip -n "$LAB_NAME-3" addr add 172.20.0.1/24 dev plain0
ip -n "$LAB_NAME-3" link set plain0 up
lab exec 3 sysctl -qw net.ipv4.ip_forward=1
for i in 1 2; do ip -n "$LAB_NAME-$i" route add 172.20.0.0/24 dev lx0; done
if command -v tshark >/dev/null; then
        ip netns exec "$LAB_NAME-3" tshark -i eth0 -f 'udp port 4342' -w "$LAB/wire.pcap" >"$LAB/tshark.out" 2>&1 &
        helper=$!
        within 10 test -s "$LAB/wire.pcap" || fail "no capture"
fi
plain() { ip netns exec "$LAB_NAME-hub" ping -c 1 -W 2 "$1"; }
within 40 plain 10.88.1.1 || fail "the plain host does not reach site 1"
within 40 heard 1 10.88.1.1 172.20.0.9 || fail "site 1 does not reach the plain host"
[ "$(lab count 3 proxied)" -gt 0 ] || fail "not through the proxy"
! plain 10.88.2.1 >/dev/null || fail "the plain host reaches a site that nobody named"
! heard 2 10.88.2.1 172.20.0.9 >/dev/null || fail "a site that nobody named reaches the plain host"
if [ -n "$helper" ]; then
        asked() { [ -n "$(tshark -r "$LAB/wire.pcap" -Y 'lisp.type == 1 && lisp.mreq.flags.pitr == 1' 2>/dev/null)" ]; }
        within 20 asked || fail "no Map-Request says that a proxy asks"
        bad='lisp.undecoded || lisp.unexpected_field || lisp.invalid_field || lisp.expected_field || _ws.malformed'
        [ -z "$(tshark -r "$LAB/wire.pcap" -Y "$bad" 2>/dev/null)" ] || fail "marked messages on the wire"
fi
