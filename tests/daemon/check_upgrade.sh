#!/bin/bash
# Another version opens a data directory: it keeps a copy, says so, can go back until a good start is followed by
# another; and a node meets a rule version that it does not know: it warns, stops before it, and does not fork.
set -eu
. "$LX_SRCDIR/tests/daemon/lib.sh"
version=$("$build/lxnoded" --version | cut -d' ' -f2)
said() { grep -q -- "$1" "$work/log" || fail "the log does not say $1"; }
silent() { ! grep -q -- "$1" "$work/log" || fail "the log says $1"; }
status() { lx --json status | jq -r "$1"; }
# one LABEL: a key's own chain, which is one more block.
one() { lx keygen device "$work/key-$1" >/dev/null; lx --key-file "$work/key-$1" profile create >/dev/null || fail "block $1"; }

# ---- the same version again keeps nothing
start; one a; stop
[ "$(cat "$dir/VERSION")" = "lxnoded $version" ] || fail "VERSION: $(cat "$dir/VERSION")"
start; stop
[ ! -e "$dir/before-upgrade" ] && [ ! -e "$dir/UPGRADE" ] || fail "a copy without an upgrade"
silent 'another version'

# ---- another version left it: kept, said, shown; gone after a good start and another one
older() { echo 'lxnoded 0.0.9' >"$dir/VERSION"; : >"$work/log"; }
older
start
said 'another version opens this store.*from=0.0.9.*before-upgrade.*--rollback'
[ "$(status .upgrade_from)" = 0.0.9 ] || fail "node.status: $(status .upgrade_from)"
lx status | grep -q '^upgrade     from 0.0.9 .*rollback goes back' || fail "lx status does not tell"
[ -d "$dir/before-upgrade/lld" ] && [ -f "$dir/before-upgrade/FORMAT" ] || fail "no copy"
[ "$(cat "$dir/VERSION")" = "lxnoded $version" ] || fail "VERSION after the upgrade"
one b
stop
: >"$work/log"
start
said 'the upgrade is confirmed" from=0.0.9'
[ ! -e "$dir/before-upgrade" ] && [ ! -e "$dir/UPGRADE" ] || fail "the copy stays after the confirmation"
[ "$(status '.upgrade_from, .height' | tr '\n' ' ')" = "null 2 " ] || fail "status after the confirmation"
stop
"$build/lxnoded" --datadir "$dir" --rollback 2>"$work/err" && fail "rolled back after the confirmation"
grep -q 'no copy from before an upgrade' "$work/err" || fail "rollback: $(cat "$work/err")"

# ---- a start that never becomes ready confirms nothing
older
start; stop
sed -i 's/^ready 1/ready 0/' "$dir/UPGRADE"
: >"$work/log"
start
silent 'is confirmed'
[ -d "$dir/before-upgrade" ] || fail "the copy went without a good start"
stop

# ---- back: what this chain alone has is never lost
before=$(cat "$dir/HEIGHT")
start; one c; stop # confirms: the start before was a good one
older
start; one d; stop
"$build/lxnoded" --datadir "$dir" --rollback 2>"$work/err" && fail "rolled back over its own blocks"
grep -q 'would lose those up to' "$work/err" || fail "rollback: $(cat "$work/err")"
[ -d "$dir/before-upgrade" ] && [ "$(cat "$dir/HEIGHT")" != "$before" ] || fail "a refused rollback did something"
# Nothing was added since: back it goes, also from a format that only the other version knows.
start; stop
older
start; stop
was=$(sha256sum <"$dir/before-upgrade/lld/CURRENT")
echo 'lxnode-store 99' >"$dir/FORMAT"
"$build/lxnoded" --datadir "$dir" --dev --rpc-listen none 2>"$work/err" && fail "opened a newer format"
grep -q 'rollback' "$work/err" || fail "the refusal does not name the way back: $(cat "$work/err")"
"$build/lxnoded" --datadir "$dir" --rollback >"$work/out" || fail "rollback"
grep -q 'as lxnoded 0.0.9 left it' "$work/out" || fail "rollback says: $(cat "$work/out")"
[ "$(cat "$dir/VERSION" "$dir/FORMAT" | tr '\n' ' ')" = "lxnoded 0.0.9 lxnode-store $(sed 's/.* //' <<<"$(cat "$dir/FORMAT")") " ] &&
    [ "$(sha256sum <"$dir/lld/CURRENT")" = "$was" ] && [ ! -e "$dir/before-upgrade" ] && [ ! -e "$dir/UPGRADE" ] || fail "after the rollback"
"$build/lxnoded" --datadir "$dir" --check-db >/dev/null || fail "the store after the rollback"
start
[ "$(status .height)" = 4 ] || fail "height after the rollback: $(status .height)"
stop

# ---- what a rollback leaves when the power goes between its steps: run again, it ends
start; stop
older
start; stop
mv "$dir/lld" "$dir/lld.undone"
mv "$dir/before-upgrade/HEIGHT" "$dir/HEIGHT"
"$build/lxnoded" --datadir "$dir" --rollback >/dev/null || fail "the rollback cannot be ended"
"$build/lxnoded" --datadir "$dir" --check-db >/dev/null && [ ! -e "$dir/lld.undone" ] || fail "the store after that"

# ---- no copy, no migration: the store stays as it is
older
before=$(sha256sum "$dir"/lld/* 2>/dev/null | sort)
: >"$dir/before-upgrade.part" # a file where the copy's directory would be
if "$build/lxnoded" --dev --datadir "$dir" --rpc-listen none 2>"$work/err"; then fail "started without a copy"; fi
grep -q 'left untouched' "$work/err" || fail "no copy: $(cat "$work/err")"
[ "$(sha256sum "$dir"/lld/* | sort)" = "$before" ] && [ "$(cat "$dir/VERSION")" = "lxnoded 0.0.9" ] || fail "the store was touched"
rm "$dir/before-upgrade.part"

# ---- rules of the future: warned before, stopped at that height, still answering, also after a restart
: >"$work/log"
start
known=$(status .rules.known)
lx --key-file "$work/key-a" parameter propose rule-version=$((known + 1)) "$work/proposal" >/dev/null || fail "propose"
lx parameter sign "$work/proposal" --validator-key "$dir/validator.key" --yes >/dev/null || fail "sign"
lx --key-file "$work/key-a" parameter submit "$work/proposal" >/dev/null || fail "submit"
height=$(status .height)
[ "$(status '.rules | [.next, .known] | tostring')" = "[$((known + 1)),$known]" ] || fail "status: $(status .rules)"
lx status >"$work/out"
grep -q "^WARNING     rule version $((known + 1)) acts from height $((height + 1)) on; this node knows $known" "$work/out" || fail "no warning: $(cat "$work/out")"
[ "$(status .ready)" = false ] && status '.reasons[]' | grep -q 'install a newer lxnoded' || fail "ready: $(status .reasons)"
lx keygen device "$work/key-late" >/dev/null
! lx --key-file "$work/key-late" profile create >"$work/out" 2>&1 || fail "a block of unknown rules was made"
[ "$(status .height)" = "$height" ] || fail "it went on"
kill -0 "$pid" || fail "it died"
stop
start
[ "$(status .height)" = "$height" ] && [ "$(status .ready)" = false ] || fail "after a restart"
lx chain block "$height" >/dev/null || fail "what it has is not read any more"
stop
"$build/lxnoded" --datadir "$dir" --check-db >/dev/null || fail "the store at the end"
echo ok
