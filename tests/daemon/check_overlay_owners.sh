#!/bin/bash
# Who speaks for an EID or prefix follows the ledger: an EID gets another key and keeps its address, goes to another owner and
# is served elsewhere; a prefix is delegated, used, and taken back by the owner of what is around it. (What others may not do
# is in tests/unit/check_sigchain_register.c.) Needs root.
set -eu
# shellcheck source=tests/daemon/overlay.sh
. "$LX_SRCDIR/tests/daemon/overlay.sh"
SERVERS=2 VALIDATORS=1
export SERVERS VALIDATORS
heard() { lab exec "$1" ping -c 1 -W 2 "$2"; }
quiet() { ! lab exec "$1" ping -c 1 -W 1 "$2" >/dev/null; }
genesis() { sed -n 's/.*"genesis": *"\([0-9a-f]*\)".*/\1/p' "$LAB/owner$1"; }
# writes SITE ARGS...: until the site's node has heard of what it builds on
writes() { within 20 lab lx "$@" || fail "lx $*: $(lab lx "$@" 2>&1)"; }
restart() { lab kill "$1"; lab start "$1"; }

lab up 3 || fail "up"
within 15 heard 1 "$(lab eid 2)" || fail "1 does not reach 2"

# Another key: the old one is worth nothing from that block on, whoever has it.
writes 2 eid rekey "$LAB/eid2.key" "$LAB/new2.key"
within 15 quiet 1 "$(lab eid 2)" || fail "the old key still speaks for the EID"
lab lx 2 --json eid show "$LAB/eid2.key" | grep -q '"current": *false' || fail "eid show says nothing of the new key"
echo "$(lab eid 2)=$LAB/new2.key" >"$LAB/eids2"
restart 2
within 45 heard 1 "$(lab eid 2)" || fail "the new key does not speak for the EID"
within 10 heard 3 10.88.2.1 || fail "the prefix that is bound to it is not reached"

# Another owner: the register is offered, taken, rekeyed; from then on site 3 answers for both EIDs.
register=$(lab register 2)
writes 2 register transfer "$register" "$(genesis 3)"
writes 3 register claim "$register"
writes 3 eid rekey "$(lab eid 2)" "$LAB/taken.key"
within 15 quiet 1 "$(lab eid 2)" || fail "the old owner still speaks for the EID"
echo "$LAB/eid3.key,$(lab eid 2)=$LAB/taken.key" >"$LAB/eids3"
restart 3
lab exec 3 ip -6 addr add "$(lab eid 2)/128" dev lx0 2>/dev/null || true
within 45 heard 1 "$(lab eid 2)" || fail "the new owner does not speak for the EID"
within 10 heard 1 "$(lab eid 3)" || fail "the new owner's first EID is not reached"

# Site 1 delegates a part of its prefix to site 3, and takes it back.
writes 1 prefix delegate 10.88.64.0/24 "$(genesis 3)"
part=$(lab lx 1 --json prefix list | grep -F '"0a584000' | sed -n 's/.*"address": *"\([0-9a-f]*\)".*/\1/p')
writes 3 prefix claim "$part"
writes 3 eid bind "$part" "$(lab register 3)"
lab exec 3 ip addr add 10.88.64.1/32 dev lx0
within 45 heard 1 10.88.64.1 || fail "the delegated prefix is not reached"
! lab lx 1 prefix revoke 10.88.64.0/33 2>/dev/null || fail "a prefix of 33 bits"
writes 1 prefix revoke 10.88.64.0/24
within 15 quiet 1 10.88.64.1 || fail "a prefix that was taken back is reached"
writes 1 eid bind "$part" "$(lab register 1)"
lab exec 1 ip addr add 10.88.64.1/32 dev lx0
within 45 heard 3 10.88.64.1 || fail "the owner does not get the prefix back"
