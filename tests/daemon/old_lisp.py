"""A LISP site and map-server of RFC 6830's and 6833's age, for the interworking test: HMAC-SHA-1, random nonces, 16-bit key
ids, addresses of AFI 1 and 2 only. It says so when a message has anything that a parser of that age does not know.

  old_lisp.py OWN-ADDRESS THEIR-ADDRESS KEY-OF-THEIRS KEY-OF-OURS

It answers for 172.16.0.0/16, registers 172.17.0.0/16 at THEIR-ADDRESS, and answers pings to both."""
import hashlib, hmac, ipaddress, os, select, socket, struct, sys, time

own, theirs = sys.argv[1], sys.argv[2]
their_key, our_key = sys.argv[3].encode(), sys.argv[4].encode()
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
control.bind((own, 4342))
data = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
data.bind((own, 4341))
registered = {}  # prefix -> RLOCs
last_nonce = 0


def say(*words):
    print(*words, flush=True)


def address(b):
    afi, = struct.unpack('>H', b[:2])
    if afi == 1:
        return ipaddress.ip_address(b[2:6]), b[6:]
    if afi == 2:
        return ipaddress.ip_address(b[2:18]), b[18:]
    raise ValueError('AFI %d' % afi)


def record(b):
    ttl, count, bits, action = struct.unpack('>IBBH', b[:8])
    if action & 0x0fff:
        raise ValueError('reserved bits of a record')
    if struct.unpack('>H', b[8:10])[0] & 0xf000:
        raise ValueError('reserved bits before the map-version')
    eid, b = address(b[10:])
    rlocs = []
    for _ in range(count):
        priority, weight, mp, mw, flags = struct.unpack('>BBBBH', b[:6])
        if flags & ~7:
            raise ValueError('unused flags of a locator')
        rloc, b = address(b[6:])
        rlocs.append(rloc)
    return ipaddress.ip_network('%s/%d' % (eid, bits)), rlocs, ttl, b


def make_record(prefix, rlocs, ttl=10):
    net = ipaddress.ip_network(prefix)
    out = struct.pack('>IBBHHH', ttl, len(rlocs), net.prefixlen, 0x1000, 0, 1) + net.network_address.packed
    for r in rlocs:
        out += struct.pack('>BBBBHH', 1, 100, 255, 0, 5, 1) + ipaddress.ip_address(r).packed
    return out


def signed(first, nonce, records, key):
    head = struct.pack('>IQHH', first, nonce, 1, 20)
    mac = hmac.new(key, head + bytes(20) + records, hashlib.sha1).digest()
    return head + mac + records


def check(b, key):
    key_id, length = struct.unpack('>HH', b[12:16])
    if key_id != 1 or length != 20:
        raise ValueError('key id %d, %d bytes of MAC' % (key_id, length))
    mac = hmac.new(key, b[:16] + bytes(20) + b[36:], hashlib.sha1).digest()
    if mac != b[16:36]:
        raise ValueError('a wrong MAC')
    return b[36:]


def take_register(b, who):
    global last_nonce
    first, nonce = struct.unpack('>IQ', b[:12])
    if first & 0x07fffe00:
        raise ValueError('reserved bits of a Map-Register: %08x' % first)
    if nonce <= last_nonce:
        raise ValueError('a nonce that does not rise')
    records = check(b, their_key)
    rest = records
    for _ in range(first & 255):
        prefix, rlocs, ttl, rest = record(rest)
        if not registered.get(prefix):
            say('registered', prefix, *rlocs)
        registered[prefix] = rlocs
    if rest:
        raise ValueError('bytes behind the records')
    last_nonce = nonce
    control.sendto(signed(4 << 28 | first & 255, nonce, records, their_key), who)


def take_request(b, who):
    first, nonce = struct.unpack('>IQ', b[:12])
    if first & 0x0fffe000:
        raise ValueError('bits of a Map-Request: %08x' % first)
    source, rest = (None, b[14:]) if b[12:14] == b'\0\0' else address(b[12:])
    itrs = []
    for _ in range((first >> 8 & 31) + 1):
        itr, rest = address(rest)
        itrs.append(itr)
    if rest[0]:
        raise ValueError('reserved bits before an EID')
    eid, rest = address(rest[2:])
    if rest:
        raise ValueError('bytes behind the EID')
    if eid in ipaddress.ip_network('172.16.0.0/16'):
        answer = make_record('172.16.0.0/16', [own])
    else:
        found = [p for p in registered if eid in p]
        answer = make_record(found[0], registered[found[0]]) if found else make_record('%s/32' % eid, [])
    say('asked', eid)
    control.sendto(struct.pack('>IQ', 2 << 28 | 1, nonce) + answer, (str(itrs[0]), 4342))


def take_control(b, who):
    kind = b[0] >> 4
    if kind == 8:
        if b[:4] != b'\x80\0\0\0' or b[4] != 0x45 or struct.unpack('>H', b[26:28])[0] != 4342:
            raise ValueError('an ECM of another form')
        take_request(b[32:], who)
    elif kind == 1:
        take_request(b, who)
    elif kind == 3:
        take_register(b, who)
    elif kind == 4:
        check(b, our_key)
        if struct.unpack('>Q', b[4:12])[0] == asked_nonce:
            say('notified')
    elif kind == 2:
        prefix, rlocs, ttl, rest = record(b[12:])
        say('replied', prefix, *rlocs)
    else:
        raise ValueError('a message of type %d' % kind)


def inet(b):
    s = sum(struct.unpack('>%dH' % (len(b) // 2), b))
    s = (s & 0xffff) + (s >> 16)
    return ~((s & 0xffff) + (s >> 16)) & 0xffff


def take_data(b):
    if b[0] & 0x03:
        return  # sealed: not for us
    if b[:8] != bytes(8):
        raise ValueError('a data header with %s' % b[:8].hex())
    p = bytearray(b[8:])
    if p[0] != 0x45 or p[9] != 1 or p[20] != 8:
        return
    p[12:16], p[16:20] = p[16:20], p[12:16]
    p[20] = 0
    p[22:24] = b'\0\0'
    icmp = p[20:] + (b'\0' if len(p) % 2 else b'')
    p[22:24] = struct.pack('>H', inet(bytes(icmp)))
    say('echo', ipaddress.ip_address(bytes(p[12:16])))
    to = ipaddress.ip_address(bytes(p[16:20]))
    for prefix, rlocs in registered.items():
        if to in prefix:
            data.sendto(bytes(8) + bytes(p), (str(rlocs[0]), 4341))


def ask_for(eid):
    inner = struct.pack('>IQ', 1 << 28 | 1, 77) + b'\0\0' + struct.pack('>H', 1) + ipaddress.ip_address(own).packed
    inner += struct.pack('>BBH', 0, 32, 1) + ipaddress.ip_address(eid).packed
    udp = struct.pack('>HHHH', 4342, 4342, 8 + len(inner), 0) + inner
    ip = struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    ip += ipaddress.ip_address(own).packed + ipaddress.ip_address(eid).packed
    ip = ip[:10] + struct.pack('>H', inet(ip)) + ip[12:]
    control.sendto(b'\x80\0\0\0' + ip + udp, (theirs, 4342))


asked_nonce, next_register = 0, 0.0
say('ready')
while True:
    if time.monotonic() >= next_register:
        asked_nonce = struct.unpack('>Q', os.urandom(8))[0]
        control.sendto(signed(3 << 28 | 1 << 27 | 1 << 8 | 1, asked_nonce, make_record('172.17.0.0/16', [own]), our_key),
                       (theirs, 4342))
        ask_for('172.17.5.5')
        next_register = time.monotonic() + 1
    for s in select.select([control, data], [], [], 0.2)[0]:
        b, who = s.recvfrom(65536)
        try:
            if s is control:
                take_control(b, who)
            else:
                take_data(b)
        except (ValueError, struct.error, IndexError) as e:
            say('REFUSED', e, b.hex())
