#!/bin/bash
# Interworking with a LISP site and map-server of RFC 6830's age (tests/daemon/old_lisp.py): our prefix is registered there with
# a key, its EIDs are asked of it; it registers here with SHA-1 and nonces that do not rise; pings go both ways, plain.
# Nothing that it gets has a form that it does not know. Needs root.
set -eu
# shellcheck source=tests/daemon/overlay.sh
. "$LX_SRCDIR/tests/daemon/overlay.sh"
OPTIONS="--router-site $work/sites --router-foreign $work/foreign"
export OPTIONS
fail() { echo "FAIL: $*" >&2; tail -n 5 "$work/old" "$LAB"/site*.log >&2; exit 1; }
heard() { lab exec 1 ping -n -c 1 -W 2 -I "$1" "$2"; }
said() { grep -q "^$*" "$work/old"; }

echo '172.17.0.0/16 0 sha1 a-key-of-ours random-nonces' >"$work/sites"
cat >"$work/foreign" <<'END'
register 10.88.1.0/24 10.99.9.9 0 sha1 a-key-of-theirs
register 10.77.0.0/24 10.99.9.9 0 sha1 a-key-of-theirs # not ours: never sent
resolve 172.16.0.0/16 10.99.9.9
END
touch "$work/old"
lab up 1 plain || fail "up"
ip -n "$LAB_NAME-hub" addr add 10.99.9.9/16 dev br0
ip netns exec "$LAB_NAME-hub" python3 "$LX_SRCDIR/tests/daemon/old_lisp.py" 10.99.9.9 10.99.0.1 a-key-of-theirs a-key-of-ours \
    >"$work/old" 2>&1 </dev/null &
helper=$!
within 30 said registered 10.88.1.0/24 10.99.0.1 || fail "our prefix is not registered there"
within 30 said notified || fail "its registration is not confirmed"
within 10 said replied 172.17.0.0/16 10.99.9.9 || fail "its question is not answered"
[ "$(lab count 1 foreign_registers)" -gt 0 ] || fail "its Map-Notify does not count"
within 20 heard 10.88.1.1 172.16.5.9 || fail "an EID that it answers for is not reached"
within 20 heard 10.88.1.1 172.17.5.9 || fail "an EID that it registered here is not reached"
lab routes 1 | grep -q '172.16.0.0/16 .*plain' || fail "the mapping is not what it said"
# From an EID of ours that asks for sealing nothing goes out plain; of what is not ours nothing is said.
! grep -q '10.77.0.0' "$work/old" || fail "what is not ours was registered"
! grep -q REFUSED "$work/old" || fail "it got what it does not know: $(grep REFUSED "$work/old" | head -3)"

# Whether anybody owns an address is proven to who asks with --verify, by exclusion too.
chain=$(lab lx 1 --json rpc chain.genesis | sed 's/.*"chain_id": *"\([0-9a-f]*\)".*/\1/')
lab lx 1 --yes trust set "$LAB/genesis.json" >/dev/null || fail "trust ($chain)"
proven() { # ADDRESS WORDS
        lab lx 1 --verify route resolve "$1" >"$work/proven" 2>&1 || true
        grep -q "$2" "$work/proven" || fail "route resolve $1: $(cat "$work/proven")"
}
proven fd00:6c78:dead::1 'nobody owns it, proven'
proven 10.88.200.1 'nobody owns it, proven'
proven 10.66.0.1 'nobody owns it, proven'
proven "$(lab eid 1)" 'somebody owns the address, proven'
proven 172.16.5.9 'nobody owns the address: that is proven'

# Wrong keys, both ways: nothing is believed.
kill "$helper"
wait "$helper" 2>/dev/null || true
before=$(lab count 1 refused_hmac)
ip netns exec "$LAB_NAME-hub" python3 "$LX_SRCDIR/tests/daemon/old_lisp.py" 10.99.9.9 10.99.0.1 a-key-of-theirs another-key \
    >"$work/old" 2>&1 </dev/null &
helper=$!
more() { [ "$(lab count 1 refused_hmac)" -gt "$before" ]; }
within 20 more || fail "a wrong key is not counted"
! said notified || fail "a wrong key was confirmed"
