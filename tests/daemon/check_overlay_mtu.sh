#!/bin/bash
# Three sites; one of them comes to lie behind a router with a smaller MTU. IPv4 with DF and IPv6 hear of it with the right
# number, IPv4 without DF goes in pieces, TCP passes both ways, and what strangers say counts for nothing. Needs root.
set -eu
# shellcheck source=tests/daemon/overlay.sh
. "$LX_SRCDIR/tests/daemon/overlay.sh"
VALIDATORS=1
export VALIDATORS
# big FROM TO BYTES [OPTION...]: a ping in an IP packet of so many bytes comes back
big() {
        local head=28
        case $2 in *:*) head=48 ;; esac
        lab exec "$1" ping -n -c 1 -W 1 -s $(($3 - head)) "${@:4}" "$2"
}

lab up 3 || fail "up"
eid3=$(lab eid 3)
within 20 big 1 "$eid3" 1400 || fail "1400 bytes do not pass before"
lab middle 3 1300
within 30 big 1 "$eid3" 1280 || fail "site 3 is not found behind the router"
within 20 big 1 10.88.3.1 1200 || fail "nor its prefix"

# 1300 - 20 - 8 - 36 = 1236 for IPv4; IPv6 has 1280 in any case, in two pieces outside.
within 20 big 1 10.88.3.1 1236 -M do || fail "1236 bytes do not pass"
told() { big 1 10.88.3.1 1237 -M do 2>&1 | grep -q 'mtu *[=:] *1236'; }
within 20 told || fail "not told 1236: $(big 1 10.88.3.1 1237 -M do 2>&1)"
told6() { big 1 "$eid3" 1281 -M do 2>&1 | grep -q 'mtu *[=:] *1280'; }
within 20 told6 || fail "IPv6 is not told: $(big 1 "$eid3" 1281 -M do 2>&1)"
within 20 big 1 "$eid3" 1280 || fail "1280 bytes of IPv6 do not pass"
lab exec 3 ip addr add 10.88.3.2/32 dev lx0 # the kernel of site 1 knows of no limit on the way to it
within 20 big 1 10.88.3.2 1400 -M dont || fail "without DF 1400 bytes do not pass"
[ "$(lab count 1 fragmented)" -gt 0 ] || fail "nothing was cut"
[ "$(lab count 1 path_mtu)" -gt 0 ] || fail "nothing was learnt"

# TCP, 2 MiB each way, over IPv4 and IPv6: whole and the same.
head -c 2097152 /dev/urandom >"$LAB/blob"
sum=$(sha256sum <"$LAB/blob")
ip netns exec "$LAB_NAME-3" socat TCP6-LISTEN:7001,fork,reuseaddr EXEC:cat >/dev/null 2>&1 </dev/null &
helper=$!
listening() { lab exec 3 ss -ltn | grep -q ':7001 '; }
within 10 listening || fail "no listener"
for to in "TCP4:10.88.3.1" "TCP6:[$eid3]"; do
        # shellcheck disable=SC2016 # the inner shell's
        got=$(ip netns exec "$LAB_NAME-1" timeout 60 bash -c 'socat -t 30 - "$1:7001" <"$2" | sha256sum' \
            x "$to" "$LAB/blob")
        [ "$got" = "$sum" ] || fail "TCP to $to does not pass"
done

# A forged "fragmentation needed" for a path that has no such limit: counted, and nothing else.
before=$(lab count 1 path_mtu)
cat >"$LAB/forge.py" <<'END'
import socket, struct
def inet(b):
    s = sum(struct.unpack('>%dH' % (len(b) // 2), b))
    s = (s & 0xffff) + (s >> 16)
    return ~((s & 0xffff) + (s >> 16)) & 0xffff
quoted = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 1464, 1, 0x4000, 64, 17, 0, socket.inet_aton('10.99.0.1'), socket.inet_aton('10.99.0.2'))
quoted += struct.pack('>HHHH', 4341, 4341, 1444, 0) + struct.pack('>IIIQ', 0x09000000, 0, 1, 1) + bytes(64)
icmp = struct.pack('>BBHHH', 3, 4, 0, 0, 600) + quoted
icmp = icmp[:2] + struct.pack('>H', inet(icmp)) + icmp[4:]
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(icmp, ('10.99.0.1', 0))
END
refused() { lab exec 2 python3 "$LAB/forge.py" && [ "$(lab count 1 refused_icmp)" -gt 0 ]; }
within 20 refused || fail "the forged message was not counted"
[ "$(lab count 1 path_mtu)" = "$before" ] || fail "the forged message was believed"
within 20 big 1 "$(lab eid 2)" 1400 -M do || fail "1400 bytes to site 2 do not pass after it"
