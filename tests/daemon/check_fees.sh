#!/bin/bash
# A network with fees: who has tokens from genesis pays, a new chain begins for nothing and with an account,
# is sent something, and pays then; a release is paid by the size of its manifest; who has nothing is told.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
start
for who in alice bob carol; do expect 0 keygen device "$work/$who"; done
expect 0 keygen validator "$work/validator"
public=$(tail -1 "$work/out")
got=0; lx --key-file "$work/alice" profile show --json >"$work/out" || got=$?
alice=$(jq -r .genesis <"$work/out")
expect 0 genesis create --validator "v:$public:1"
jq --arg a "$alice" '.parameters = {"fee-unit": 3, "heartbeat-ms": 0} | .token = {name: "lx", decimals: 0, supply: "10000"} |
    .allocations = [{genesis: $a, amount: "10000"}]' <"$work/out" >"$work/genesis.json"
stop
dir=$work/fees
"$build/lxnoded" --genesis "$work/genesis.json" --validator-key "$work/validator" --datadir "$dir" \
    --rpc-listen none --listen none >>"$work/log" 2>&1 &
pid=$!
until lx status >/dev/null 2>&1; do kill -0 "$pid" 2>/dev/null || fail "the node did not start"; done

# balance WHO: of the account that holds most.
balance() { lx --key-file "$work/$1" --json register list --standard account | jq -s 'map(.fields.balance | tonumber) | max'; }
account() { lx --key-file "$work/$1" --json register list --standard account | jq -rs 'max_by(.fields.balance | tonumber) | .address'; }
as() { who=$1; shift; expect 0 --key-file "$work/$who" "$@"; }

as alice profile create
[ "$(balance alice)" = 10000 ] || fail "a first transaction with its account cost something: $(balance alice)"
as alice register create --data x
[ "$(balance alice)" = 9994 ] || fail "two units of 3 were not taken: $(balance alice)"
as bob profile create
expect 4 --key-file "$work/bob" register create --data x
grep -q 'rule balance' "$work/err" || fail "no money is not told: $(cat "$work/err")"
as alice token send "$(account alice)" "$(account bob)" 100
as bob token receive "$(account bob)"
[ "$(balance bob)" = 94 ] || fail "what was received did not pay for receiving: $(balance bob)"
as bob register create --data x
[ "$(balance bob)" = 88 ] || fail "bob paid otherwise: $(balance bob)"
# Forty entries are 6 KiB of manifest: everybody stores them.
mkdir "$work/bin"
for i in $(seq 40); do printf '#!/bin/sh\necho %s\n' "$i" >"$work/bin/tool-$i"; chmod +x "$work/bin/tool-$i"; done
before=$(balance alice)
as alice binary publish --release tools "$work/bin"
paid=$((before - $(balance alice)))
[ "$paid" -ge 24 ] || fail "a release of 40 entries cost $paid"
stop
echo "fees are paid"
