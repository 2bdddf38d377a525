#!/bin/bash
# Plain look-ups are answered without a tree of JSON values: byte for byte as the long way does it, which
# an optional parameter given as null forces. Whatever is not plain must come out the long way too.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
start
expect 0 keygen device "$work/key"
as() { expect 0 --key-file "$work/key" "$@"; }
as profile create
mkdir "$work/bin"
cp /bin/true "$work/bin/plain"
cp /bin/false "$work/bin/we\"ird \\ ümlaut"
as binary publish --release 'a "quoted" name' "$work/bin"
as name claim home
as token create coin 1000000
as register create --data 'raw text'
as register create --kind append
as register append "$(grep -o '[0-9a-f]\{64\}' "$work/out" | head -1)" --data one
as file add "$work/bin/plain"
plain=$(sha256sum <"$work/bin/plain" | cut -d' ' -f1)
weird=$(sha256sum <"$work/bin/we\"ird \\ ümlaut" | cut -d' ' -f1)
as --yes binary revoke "$weird"

call() { printf '{"jsonrpc":"2.0","id":%s,"method":"%s","params":{"%s":"%s"%s}}' "$4" "$1" "$2" "$3" "${5:-}"; }
# same METHOD PARAM VALUE OPTIONAL: the two ways give the same bytes.
same() {
        quick=$(rpc "$(call "$1" "$2" "$3" '"an id"')")
        long=$(rpc "$(call "$1" "$2" "$3" '"an id"' ",\"$4\":null")")
        [ "$quick" = "$long" ] || fail "$1 $3:
$quick
$long"
}
addresses=$(rpc '{"jsonrpc":"2.0","id":1,"method":"register.list","params":{}}' | jq -r '.result.registers[].address')
[ "$(printf '%s\n' "$addresses" | wc -l)" -ge 8 ] || fail "few registers: $addresses"
zero=$(printf '0%.0s' $(seq 64))
for a in $addresses $zero; do same register.get address "$a" height; done
for d in "$plain" "$weird" "$zero"; do same binary.lookup digest "$d" publishers; done
[ "$(rpc "$(call binary.lookup digest "$weird" 1)" | jq -r '.result.matches[0].revoked')" = true ] || fail "not revoked"
[ "$(rpc "$(call binary.lookup digest "$plain" 1)" | jq -r '.result.matches[0].revoked')" = false ] || fail "revoked"

# Batches: plain ones, and one among them that is not.
one=$(call binary.lookup digest "$plain" 7) two=$(call register.get address "$(echo "$addresses" | head -1)" 8)
odd='{"jsonrpc":"2.0","id":9,"method":"rpc.help","params":{"method":"node.log"}}'
missing=$(call register.get address "$zero" 10)
for body in "[$one,$two]" "[ $one , $two ]" "[$one,$odd,$two]" "[$odd,$two,$one,$missing]"; do
        got=$(rpc "$body" | jq -S -c 'sort_by(.id)')
        want=$(for c in "$one" "$two" "$odd" "$missing"; do
                case $body in *"$c"*) rpc "$c" ;; esac
        done | jq -s -S -c 'sort_by(.id)')
        [ "$got" = "$want" ] || fail "$body:
$got
$want"
done

# What only looks plain.
code() { rpc "$1" | jq -r '.error.code // "none"'; }
must() { [ "$(code "$2")" = "$1" ] || fail "$2: $(rpc "$2")"; }
must none "$(printf '{"method":"binary.lookup","params":{"d\\u0069gest":"%s"},"id":1,"jsonrpc":"2.0"}' "$plain")"
must none "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"binary.lookup\",\"params\":[\"$plain\"]}"
must none "{\"jsonrpc\":\"2.0\",\"id\":-1,\"method\":\"binary.lookup\",\"params\":{\"digest\":\"$plain\"}}"
must -32700 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"binary.lookup\",\"params\":{\"digest\":\"$plain\"}"
must -32700 "{\"jsonrpc\":\"2.0\",\"id\":01,\"method\":\"binary.lookup\",\"params\":{\"digest\":\"$plain\"}}"
must -32700 "{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"binary.lookup\",\"params\":{\"digest\":\"$plain\"}}"
must -32700 "[$one,$two,]"
must -32700 "[$one $two]"
must -32700 "$one x"
must -32600 "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"binary.lookup\",\"params\":{\"digest\":\"$plain\"}}"
must -32602 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"binary.lookup\",\"params\":{\"digest\":\"${plain}00\"}}"
must -32602 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"binary.lookup\",\"params\":{\"address\":\"$plain\"}}"
must -32602 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"binary.lookup\",\"params\":{\"digest\":\"${plain%?}g\"}}"
[ -z "$(rpc "{\"jsonrpc\":\"2.0\",\"method\":\"binary.lookup\",\"params\":{\"digest\":\"$plain\"}}")" ] ||
        fail "a notification was answered"
stop
