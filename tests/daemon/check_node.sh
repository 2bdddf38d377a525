#!/bin/bash
# The main job against a real node: profiles, releases, files, names, tokens, chain files, backup.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
printf 'brittle moose 41 lantern ocean\n830172\n' >"$work/secret"
printf 'another moose 77 lantern river\n551904\n' >"$work/secret2"
chmod 600 "$work"/secret*

start
expect 0 profile create alice --secret-file "$work/secret" --kdf-memory 64
grep -A2 'Recovery words' "$work/err" | tail -1 >"$work/words"
chmod 600 "$work/words"
[ "$(wc -w <"$work/words")" = 24 ] || fail "no 24 words"
expect 4 profile create alice --secret-file "$work/secret" --kdf-memory 64
printf 'short\n1\n' >"$work/weak"; chmod 600 "$work/weak"
expect 2 profile create bob --secret-file "$work/weak"
chmod 644 "$work/weak"
expect 2 profile create bob --secret-file "$work/weak"
expect 2 login alice --secret-file "$work/secret2"
grep -q 'wrong' "$work/err" || fail "a wrong password is not told"
expect 2 register create --data x
expect 0 login alice --secret-file "$work/secret"

# Binaries: digests are those of sha256sum and fsverity.
mkdir "$work/bin"
cp /bin/ls "$work/bin/ls"
head -c 1000000 /dev/urandom >"$work/bin/tool"
chmod +x "$work/bin/tool"
: >"$work/bin/empty"; chmod +x "$work/bin/empty"
expect 0 trust set "$dir/genesis.json"
expect 0 trust publisher alice
expect 0 binary publish --release tools "$work/bin"
for f in ls tool empty; do
        sha=$(sha256sum "$work/bin/$f" | cut -d' ' -f1)
        expect 0 --verify binary lookup "$sha" --json
        [ "$(jq -r .sha256 <"$work/out")" = "$sha" ] || fail "SHA-256 of $f"
        [ "sha256:$(jq -r .fsverity <"$work/out")" = "$(fsverity digest --compact "$work/bin/$f" | sed 's/^/sha256:/')" ] ||
            fail "fs-verity of $f"
        [ "$(jq -r .proven <"$work/out")" = true ] || fail "not proven"
done
expect 1 --verify binary lookup "$(printf 'nobody' | sha256sum | cut -d' ' -f1)" --json
[ "$(jq -r .proven <"$work/out")" = true ] || fail "absence is not proven"
expect 0 --verify binary verify "$work/bin"
printf 'X' | dd of="$work/bin/tool" bs=1 seek=500000 conv=notrunc 2>/dev/null
expect 1 binary verify "$work/bin"
grep -q 'bad bytes 499712-503807 ' "$work/out" || fail "the bad page is not named"
expect 0 --yes binary revoke "$(sha256sum "$work/bin/ls" | cut -d' ' -f1)"
expect 1 --verify binary lookup "$work/bin/ls"
grep -q REVOKED "$work/out" || fail "revocation is not shown"

# Files.
mkdir "$work/files"
for i in 1 2 3; do seq 1 $((i * 5000)) >"$work/files/f$i"; done
expect 0 file add "$work/files"
expect 0 --verify file verify -r "$work/files"
printf 'X' | dd of="$work/files/f3" bs=1 seek=9000 conv=notrunc 2>/dev/null
expect 1 file verify -r "$work/files"
grep -q 'bad bytes 8192-12287 ' "$work/out" || fail "the bad page of a file is not named"
expect 0 file update "$work/files/f3" --range 9000:1
expect 0 file update "$work/files/f3" --range 9000:1
expect 0 file verify -r "$work/files"
mv "$work/files/f2" "$work/f2"
expect 1 file verify -r "$work/files"
grep -q "MISSING  $work/files/f2" "$work/out" || fail "a missing file is not named"
expect 0 file verify "$work/files/f1"
mv "$work/f2" "$work/files/f2"
# What is kept is the content of the register, taken from wherever it lies.
{ cat "$work/files/f1"; echo more; } >"$work/next"
expect 0 file update "$work/files/f1" --from "$work/next" --keep --json
expect 1 file verify "$work/files/f1"
cp "$work/next" "$work/files/f1"
expect 0 file verify -r "$work/files"
kept=$(lx file root "$work/files/f1")
curl -s --unix-socket "$dir/lxnoded.sock" "http://n/blob/content/$kept" | cmp - "$work/next" || fail "the content is not kept"
curl -s --unix-socket "$dir/lxnoded.sock" -X PUT --data-binary abc "http://n/blob/content/${kept%??}00?offset=0&total=3" | grep -q 'another root' ||
        fail "content of another root was taken"
mkfifo "$work/fifo"
expect 2 file root "$work/fifo"
expect 2 file root /dev/zero
expect 2 file root "$work"
ln -s loop "$work/loop"
expect 2 file add "$work/loop"

# Registers, names, tokens. Whoever waits for a block hears of it, and only then.
tip=$(rpc '{"jsonrpc":"2.0","id":1,"method":"chain.header"}' | jq .result.height)
await() { rpc "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"guard.subscribe\",\"params\":{\"above\":$1,\"seconds\":$2}}" | jq .result.height; }
[ "$(await $((tip - 1)) 25)" = "$tip" ] || fail "guard.subscribe waits though there is a block"
[ "$(await "$tip" 1)" = "$tip" ] || fail "guard.subscribe does not end"
waiter=
for _ in $(seq 70); do await "$tip" 18 >>"$work/many" & waiter="$waiter $!"; done
expect 0 name claim station7
# shellcheck disable=SC2086 # words on purpose
wait $waiter
[ "$(grep -c "^$((tip + 1))$" "$work/many")" -ge 60 ] || fail "a block was not told: $(sort "$work/many" | uniq -c)"
[ "$(wc -l <"$work/many")" = 70 ] || fail "a waiting call got no answer"
expect 4 name claim station7
expect 0 --verify name resolve station7
expect 1 --verify name resolve station8
expect 0 register create --data hello --json
raw=$(jq -r .address <"$work/out")
before=$(jq -r .height <"$work/out")
expect 0 register write "$raw" --data world
expect 0 --verify register get "$raw" --json
[ "$(jq -r .data <"$work/out")" = "$(printf world | od -An -tx1 | tr -d ' ')" ] || fail "the register's data"
lx register prove "$raw" >"$work/proof.json"
"$build/examples/verify-register" "$dir/trust.json" "$work/proof.json" || fail "liblxverify refuses a good proof"
sed 's/"path": *"../"path":"ff/; s/"path":"0/"path":"1/' "$work/proof.json" >"$work/bad.json"
! "$build/examples/verify-register" "$dir/trust.json" "$work/bad.json" || fail "liblxverify takes a bad proof"
expect 0 register get "$raw" --height "$before" --json
[ "$(jq -r .data <"$work/out")" = "$(printf hello | od -An -tx1 | tr -d ' ')" ] || fail "the old state"
expect 0 register create --kind append --json
log=$(jq -r .address <"$work/out")
expect 0 register append "$log" --data one
expect 0 register append "$log" --data two
expect 0 token create coin 1000 --json
token=$(jq -r .address <"$work/out")
expect 0 token balance --token "$token" --json
account=$(jq -r .address <"$work/out")
expect 0 token send "$token" "$account" 250
expect 0 token receive "$account"
expect 0 --json token balance "$account"
[ "$(jq -r .fields.balance <"$work/out")" = 250 ] || fail "the balance"
expect 4 token send "$account" "$token" 999

# A key file, a transfer.
expect 0 keygen device "$work/device.key"
expect 2 keygen device "$work/device.key"
expect 0 --key-file "$work/device.key" profile create --json
device=$(jq -r .genesis <"$work/out")
expect 4 --key-file "$work/device.key" register write "$raw" --data mine
expect 0 register transfer "$raw" "$device"
expect 0 --key-file "$work/device.key" register claim "$raw"
expect 0 --key-file "$work/device.key" register write "$raw" --data mine

# Password change and recovery.
expect 0 profile passwd alice --secret-file "$work/secret" --new-secret-file "$work/secret2"
expect 2 login alice --secret-file "$work/secret"
expect 0 login alice --secret-file "$work/secret2"
expect 0 profile recover alice --words-file "$work/words" --new-secret-file "$work/secret"
expect 4 profile recover alice --words-file "$work/words" --new-secret-file "$work/secret2"
expect 0 login alice --secret-file "$work/secret"

# The chain as a file; backup and restore.
expect 0 chain export "$work/chain"
expect 0 --verify chain verify "$work/chain"
# Another user's trust, at genesis, moves to the file's end; without any nothing is proven.
mkdir "$work/other"
expect 1 --datadir "$work/other" chain verify "$work/chain"
grep -q 'you trust none of them' "$work/err" || fail "$(cat "$work/err")"
expect 1 --datadir "$work/other" chain import "$work/chain"
expect 0 --datadir "$work/other" --rpc "$dir/lxnoded.sock" trust set "$dir/genesis.json"
expect 0 --datadir "$work/other" --json chain import "$work/chain"
tip=$(jq -r '"\(.height):\(.header)"' <"$work/out")
[ "$tip" = "$(lx --json chain head | jq -r '"\(.height):\(.hash)"')" ] || fail "the imported trust is $tip"
[ "$(jq .height <"$work/other/trust.json")" = "${tip%%:*}" ] || fail "the trust did not move"
# An output that is a pipe (or a device) or a link stays what it is.
mkfifo "$work/pipe"
cat "$work/pipe" >"$work/piped" &
expect 0 chain export "$work/pipe"
wait $!
[ -p "$work/pipe" ] && cmp -s "$work/chain" "$work/piped" || fail "a pipe was replaced by a file"
ln -s chain.real "$work/chain.link"
touch "$work/chain.real"
expect 0 chain export "$work/chain.link"
[ -L "$work/chain.link" ] && cmp -s "$work/chain" "$work/chain.real" || fail "a link was replaced by a file"
printf '\377' | dd of="$work/chain" bs=1 seek=200 conv=notrunc 2>/dev/null
expect 1 chain verify "$work/chain"
expect 1 --datadir "$work/other" chain import "$work/chain"
height=$(lx status --json | jq .height)
expect 0 backup "$work/backup"
expect 0 logout
stop
"$build/lxnoded" --datadir "$dir" --check-db || fail "check-db finds something"
expect 3 status
mv "$dir" "$work/old"
"$build/lxnoded" --datadir "$dir" --restore "$work/backup" || fail "restore"
# Backups hold no keys: with a new one the chain would stand still.
"$build/lxnoded" --dev --datadir "$dir" --rpc-listen none >"$work/out" 2>&1 && fail "a restored chain starts without its key"
grep -q 'copy validator.key' "$work/out" || fail "$(cat "$work/out")"
cp "$work/old/validator.key" "$dir/"
start
[ "$(lx status --json | jq .height)" = "$height" ] || fail "the restored height"
stop
echo ok
