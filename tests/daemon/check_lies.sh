#!/bin/bash
# A node that lies, with real proofs beside the lies: without --verify the client believes it, with
# --verify it shows what is proven, or says that the answer does not hold.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
start
expect 0 keygen device "$work/alice"
expect 0 keygen device "$work/mallory"
expect 0 --key-file "$work/alice" profile create --json
alice=$(jq -r .genesis <"$work/out")
expect 0 --key-file "$work/mallory" profile create --json
mallory=$(jq -r .genesis <"$work/out")
expect 0 trust set "$dir/genesis.json"
expect 0 trust publisher "$alice"
mkdir "$work/bin"
cp /bin/true "$work/bin/tool"
printf 'evil' >"$work/evil"; chmod +x "$work/evil"
expect 0 --key-file "$work/alice" binary publish --release good "$work/bin"
expect 0 --key-file "$work/mallory" binary publish --release bad "$work/evil"
expect 0 --key-file "$work/alice" name claim alice-home
expect 0 --key-file "$work/mallory" name claim mallory-home --json
other=$(jq -r .address <"$work/out")
expect 0 --key-file "$work/alice" register create --data one --json
reg=$(jq -r .address <"$work/out")
at=$(jq -r .height <"$work/out")
expect 0 --key-file "$work/alice" register write "$reg" --data two
sha=$(sha256sum "$work/bin/tool" | cut -d' ' -f1)
genesis() { printf '%s' "$1" | od -An -tx1 | tr -d ' \n'; }

liar=
# lie EXPRESSION: from now on the node on $work/liar tells it.
lie() {
        [ -z "$liar" ] || { kill "$liar"; wait "$liar" 2>/dev/null || true; }
        rm -f "$work/liar.out"
        python3 "$LX_SRCDIR/tests/tools/lying-node" "$dir/lxnoded.sock" "$work/liar" "$1" >"$work/liar.out" 2>"$work/liar.err" &
        liar=$!
        helpers=$liar
        until grep -qs listening "$work/liar.out"; do kill -0 "$liar" || fail "$(cat "$work/liar.err")"; done
}
# told STATUS JQ VALUE ARGS...: lx at the liar ends with STATUS and shows VALUE under JQ.
told() {
        want=$1 filter=$2 value=$3
        shift 3
        expect "$want" --rpc "$work/liar" --json "$@"
        [ "$(jq -r "$filter" <"$work/out" | head -1)" = "$value" ] || fail "$*: $(cat "$work/out" "$work/err")"
}
refused() {
        expect 1 --rpc "$work/liar" --verify "$@"
        grep -q "$say" "$work/err" || fail "$*: $(cat "$work/err"), not: $say"
}
say='does not hold'

lie "if method == 'register.get': r['data'] = '6576696c'; r['owner'] = '$mallory'; r['fields'] = {'x': 1}"
told 0 .data 6576696c register get "$reg"
told 0 .data "$(genesis two)" --verify register get "$reg"
[ "$(jq -r .owner <"$work/out")" = "$alice" ] || fail "the owner is the liar's"
[ "$(jq -c .fields <"$work/out")" = '{}' ] || fail "the fields are the liar's"

# Another register's answer under the name asked for; absence of what exists.
lie "if method == 'name.resolve': r.update(ask('register.get', {'address': '$other', 'prove': True}))"
told 0 .address "$other" name resolve alice-home
refused name resolve alice-home
lie "if method == 'name.resolve': r['exists'] = False; r['target'] = None"
told 0 .exists true --verify name resolve alice-home

# The past: proven by the history of the tip, and not to be passed off as the present.
lie "pass"
told 0 .data "$(genesis one)" --verify register get "$reg" --height "$at"
told 0 .data "$(genesis two)" --verify register get "$reg" --height $((at + 1))
lie "if method == 'register.get': r.clear(); r.update(ask(method, dict(params, height=$at)))"
told 0 .data "$(genesis one)" register get "$reg"
refused register get "$reg"
lie "if method == 'register.get' and 'height' in params: r.clear(); r.update(ask(method, {'address': params['address'], 'prove': True}))"
told 0 .data "$(genesis two)" register get "$reg" --height "$at"
refused register get "$reg" --height "$at"
lie "if method == 'chain.ancestor': r['path'] = ['00' * 32] * len(r['path'])"
refused register get "$reg" --height "$at"

# What once happened: a transaction in its block, and every change of a register, none left out.
say='does not hold'
tx=$(lx --json chain block "$at" | jq -r '.transactions[0]')
old=$(lx --json chain block $((at - 1)) | jq -r '.transactions[0]')
changes=$(lx --json register history "$reg" | jq -c .heights)
[ "$(jq length <<<"$changes")" = 2 ] || fail "two changes were made, not $changes"
lie "if method == 'chain.tx': r['height'] += 1; r['fields']['fee'] = '99'"
told 0 .fields.fee 99 chain tx "$tx"
refused chain tx "$tx"
lie "if method == 'chain.tx': r['fields'] = {'fee': '99'}; r['status'] = 'waiting'"
told 0 .fields.genesis "$alice" --verify chain tx "$tx"
[ "$(jq -r '.status + (.proven | tostring)' <"$work/out")" = finaltrue ] || fail "$(cat "$work/out")"
lie "if method == 'chain.tx': r.update(ask(method, {'id': '$old', 'prove': True})); r['id'] = '$tx'"
told 0 .height $((at - 1)) chain tx "$tx"
refused chain tx "$tx"
lie "if method == 'chain.tx': r['proof']['tx']['path'] = ['00' * 32]"
refused chain tx "$tx"
lie "if method == 'register.history': r['heights'] = [1]"
told 0 '.heights | tostring' '[1]' register history "$reg"
told 0 '.heights | tostring' "$changes" --verify register history "$reg"
# The value before the last one passed off as absent, or as never changed: proofs of other heights.
lie "if method == 'register.get' and 'height' in params: r.clear(); r.update(ask(method, dict(params, height=$at - 1)))"
refused register history "$reg"
lie "if method == 'register.get' and 'height' in params: r['exists'] = False; r['proof']['state'] = []"
refused register history "$reg"

# Releases: another's passed off as the publisher's; a manifest that is not the release's.
evil=$(lx register list --owner "$mallory" --standard release --json | jq -r .address)
lie "if method == 'register.list' and params.get('standard') == 'release': r.update(ask(method, {'owner': '$mallory', 'standard': 'release'}))
if method == 'binary.lookup': r.update(ask(method, {k: v for k, v in params.items() if k != 'publishers'}))"
told 0 .verdict good binary verify "$work/evil"
refused binary verify "$work/evil"
lie "bad = ask('register.get', {'address': '$evil'})['fields']
if method == 'register.list':
  for one in r['registers']: one['fields'] = bad
if method == 'register.get': r['fields'] = bad
if method == 'binary.lookup': r.update(ask(method, {k: v for k, v in params.items() if k != 'publishers'}))"
told 0 .verdict good binary verify "$work/evil"
told 1 .verdict unknown --verify binary verify "$work/evil"
lie "if method == 'binary.lookup':
  for m in r['matches']: m['name'] = 'other'; m['version'] = '9'; m['height'] = 1; m['standard'] = 'approval'"
told 0 .name other binary lookup "$sha"
told 0 .name good --verify binary lookup "$sha"
[ "$(jq -r '.version + .standard' <"$work/out")" = 1release ] || fail "the version is the liar's"
lie "if method == 'binary.lookup': r['matches'] = []; r['found'] = False"
told 1 .found false binary lookup "$sha"
refused binary lookup "$sha"
lie "if method == 'binary.lookup' and 'proof' in r: r['proof']['index'] = []"
refused binary lookup "$(printf nobody | sha256sum | cut -d' ' -f1)"

# Revocation: seen by verify, and not to be hidden.
expect 0 binary verify "$work/bin"
expect 0 --yes --key-file "$work/alice" binary revoke "$sha"
for v in "" --verify; do
        # shellcheck disable=SC2086 # an option or nothing
        expect 1 $v binary verify "$work/bin" --json
        [ "$(jq -r .verdict <"$work/out")" = revoked ] || fail "a revoked file is $(cat "$work/out")"
done
lie "if method == 'binary.lookup':
  for m in r['matches']: m['revoked'] = False"
told 0 .verdict good binary verify "$work/bin"
refused binary verify "$work/bin"
refused binary lookup "$sha"

# Profiles and lists.
lie "if method == 'profile.get': r['sequence'] = 99
if method == 'register.list':
  for one in r['registers']: one['owner'] = '$mallory'; one['fields'] = {'x': 1}"
told 0 .sequence 99 profile show "$alice"
expect 0 --rpc "$work/liar" --verify --json profile show "$alice"
[ "$(jq .sequence <"$work/out")" -lt 99 ] || fail "the sequence is the liar's"
told 0 .owner "$mallory" register list --owner "$alice"
told 0 .owner "$alice" --verify register list --owner "$alice"

# A node of another chain with the same name; one that is behind.
say='behind the header that you trust'
lie "if method == 'chain.header' or method == 'register.get' and 'proof' in r: r.get('proof', r).update(ask('chain.header', {'height': 1}))"
refused register get "$reg"
kill "$liar"
wait "$liar" 2>/dev/null || true
stop
echo ok
