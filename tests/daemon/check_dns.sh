#!/bin/bash
# DNS as dig sees it: forward and reverse, over UDP and TCP; other names are refused, or forwarded when that is configured,
# to an upstream server of the test that lies, stalls and closes too.
set -u
command -v dig >/dev/null || { echo "needs dig"; exit 77; }
# In a network of its own: the ports are fixed.
if [ -z "${LX_OWN_NET-}" ]; then
        unshare -n true 2>/dev/null || { echo "needs a network namespace"; exit 77; }
        # shellcheck disable=SC2016 # the inner shell's
        LX_OWN_NET=1 exec unshare -n "$BASH" -c 'ip link set lo up && exec "$BASH" "$0"' "$0"
fi
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
ask() { dig @127.0.0.1 -p 5391 +tries=1 +time=5 "$@"; }
status() { ask "$@" | sed -n 's/.*status: \([A-Z]*\).*/\1/p'; }

start --dns-listen 127.0.0.1:5391
lx keygen device "$work/key" >/dev/null
chain() { lx --key-file "$work/key" "$@" || fail "lx $*"; }
chain profile create >/dev/null
eid=$(chain eid create "$work/eid.key")
address=$(chain --json eid show "$work/eid.key" | jq -r .address)
chain name claim station7 --target "$address" >/dev/null
for how in +notcp +tcp; do
        [ "$(ask $how +short station7.lx AAAA)" = "$eid" ] || fail "$how: station7.lx"
        [ "$(ask $how +short Station7.LX AAAA)" = "$eid" ] || fail "$how: case counts"
        [ "$(ask $how +short -x "$eid")" = station7.lx. ] || fail "$how: reverse"
        [ "$(status $how nobody.lx AAAA)" = NXDOMAIN ] || fail "$how: nobody.lx"
        [ "$(status $how station7.lx A)" = NOERROR ] || fail "$how: a name without IPv4"
        [ "$(status $how example.org A)" = REFUSED ] || fail "$how: example.org is not refused"
        [ "$(status $how -x 2001:db8::1)" = REFUSED ] || fail "$how: a foreign reverse name is not refused"
        ask $how station7.lx AAAA | grep -q 'flags:.* aa' || fail "$how: not authoritative"
done
# The drop-in's reverse zone is the one that is answered for.
zone=$(sed -n 's/^Domains=~lx ~//p' "$LX_SRCDIR/contrib/resolved-lx.conf")
[ "$(status "$zone" PTR)" = NOERROR ] || fail "the drop-in names another zone: $zone"
grep -qx "$zone" "$LX_SRCDIR/contrib/lx.negative" || fail "the trust anchor is another one"
stop

cat >"$work/upstream.py" <<'END'
import socket, struct, threading
def question(q):
    at = 12
    while q[at]: at += 1 + q[at]
    return q[12:at + 5]
def answer(q, n):
    return q[:2] + b'\x81\x80' + struct.pack('>HHHH', 1, n, 0, 0) + question(q) + \
        b''.join(b'\xc0\x0c' + struct.pack('>HHIH', 1, 1, 9, 4) + bytes([192, 0, 2, i % 256]) for i in range(n))
def name(q): return bytes(question(q)[1:1 + question(q)[0]])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(('127.0.0.1', 5400))
tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM); tcp.bind(('127.0.0.1', 5400)); tcp.listen(8)
def serve(c):
    while True:
        h = c.recv(2, socket.MSG_WAITALL)
        if len(h) < 2: return
        q = c.recv(struct.unpack('>H', h)[0], socket.MSG_WAITALL)
        if name(q) == b'close': c.close(); return
        a = answer(q, 500 if name(q) == b'large' else 1)
        c.sendall(struct.pack('>H', len(a)) + a)
def accept():
    while True: threading.Thread(target=serve, args=(tcp.accept()[0],), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
print('ready', flush=True)
while True:
    q, who = udp.recvfrom(4096)
    assert b'\x02lx\x00' not in q.lower(), 'a name of ours was forwarded'
    if name(q) == b'lie': # another id, another question, another answer first
        udp.sendto(bytes([q[0] ^ 1]) + answer(q, 3)[1:], who)
        udp.sendto(answer(q[:12] + b'\x03lia' + q[16:], 3), who)
    udp.sendto(answer(q, 1), who)
END
mkfifo "$work/ready"
python3 "$work/upstream.py" >"$work/ready" 2>"$work/upstream.log" &
helpers="$helpers $!"
read -r _ <"$work/ready" || fail "no upstream"
start --dns-listen 127.0.0.1:5391 --dns-forward 127.0.0.1:5400
for how in +notcp +tcp; do
        [ "$(ask $how +short example.org A)" = 192.0.2.0 ] || fail "$how: example.org is not forwarded"
        [ "$(ask $how +short station7.lx AAAA)" = "$eid" ] || fail "$how: station7.lx beside it"
        [ "$(status $how nobody.lx A)" = NXDOMAIN ] || fail "$how: nobody.lx went elsewhere"
        [ "$(ask $how +short -x "$eid")" = station7.lx. ] || fail "$how: reverse beside it"
done
[ "$(ask +notcp +short lie.example.org A)" = 192.0.2.0 ] || fail "a lie was believed"
[ "$(ask +tcp +short large.example.org A | wc -l)" = 500 ] || fail "a large answer does not pass over TCP"
! ask +tcp +short close.example.org A | grep -q 192 || fail "an answer from nowhere"
# Several on one connection, ours between forwarded ones: in their order.
[ "$(ask +tcp +keepopen +short a.org A station7.lx AAAA b.org A | tr '\n' ' ')" = "192.0.2.0 $eid 192.0.2.0 " ] ||
        fail "several on one connection"
# More at once than are kept: the node goes on answering.
python3 - <<'END' || fail "the flood"
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(2000):
    s.sendto(bytes([i >> 8, i & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4]) + b'%04d\x03org\x00\x00\x01\x00\x01' % i, ('127.0.0.1', 5391))
END
[ "$(ask +short station7.lx AAAA)" = "$eid" ] || fail "after a flood"
! [ -s "$work/upstream.log" ] || fail "upstream: $(cat "$work/upstream.log")"
stop
