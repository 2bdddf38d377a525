#!/bin/bash
# Guessing a password costs one full Argon2id, whatever a node says: lx never signs with a seed of other
# parameters than the profile's, keeps the floor, and takes no other network for the trusted one.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
printf 'brittle moose 41 lantern ocean\n830172\n' >"$work/secret"
printf 'another moose 77 lantern river\n551904\n' >"$work/secret2"
chmod 600 "$work"/secret*
start
expect 0 profile create alice --secret-file "$work/secret" --kdf-memory 65

liar=
lie() {
        [ -z "$liar" ] || { kill "$liar"; wait "$liar" 2>/dev/null || true; }
        rm -f "$work/liar.out"
        # Beside lying it notes every method that is called.
        python3 "$LX_SRCDIR/tests/tools/lying-node" "$dir/lxnoded.sock" "$work/liar" \
            "open('$work/calls', 'a').write(method + '\n')
$1" >"$work/liar.out" 2>"$work/liar.err" &
        liar=$!
        helpers=$liar
        until grep -qs listening "$work/liar.out"; do kill -0 "$liar" || fail "$(cat "$work/liar.err")"; done
}
# silent STATUS TEXT ARGS...: lx at the liar ends with STATUS, says TEXT, and handed in nothing.
silent() {
        status=$1 say=$2
        shift 2
        : >"$work/calls"
        expect "$status" --rpc "$work/liar" "$@"
        grep -q "$say" "$work/err" || fail "$*: $(cat "$work/err"), not: $say"
        ! grep -q chain.submit "$work/calls" || fail "$*: something left"
}
change=(profile passwd alice --secret-file "$work/secret" --new-secret-file "$work/secret2")

# Weaker than the floor: refused before a secret is read. Secrets that could not be read would be told.
for kdf in "'kdf_mem'] = 65535" "'kdf_mem'] = 1" "'kdf_mem'] = 4294967296 + 65536" "'kdf_passes'] = 2" \
    "'kdf_passes'] = 4294967299" "'kdf_lanes'] = 4"; do
        lie "if method == 'profile.get' and r['exists']: r['crypto'][$kdf"
        silent 2 'does not accept' login alice --secret-file "$work/nothing"
done
# At the floor, but not the profile's: the seed is another one, and no signature of it leaves.
lie "if method == 'profile.get' and r['exists']: r['crypto']['kdf_mem'] = 65536"
silent 2 'password or PIN is wrong' login alice --secret-file "$work/secret"
silent 2 'password or PIN is wrong' "${change[@]}"
[ ! -e "$dir/agent.sock" ] || fail "a session began"
# Another network's genesis document, or one that is not of its chain id.
lie "if method == 'chain.genesis': r['chain_id'] = '00' * 32"
silent 1 'not the one of its chain id' login alice --secret-file "$work/nothing"
lie "if method == 'chain.genesis': r['bytes'] = r['bytes'][:-2]"
silent 1 'not the one of its chain id' login alice --secret-file "$work/nothing"

# With a trusted header the parameters must be proven: the lie is seen through, the truth is used.
expect 0 trust set "$dir/genesis.json"
lie "if method == 'profile.get' and r['exists']: r['crypto']['kdf_mem'] = 65536"
expect 0 --rpc "$work/liar" login alice --secret-file "$work/secret"
expect 0 logout
expect 0 profile show alice
grep -q "key memory *65 MiB" "$work/out" || fail "$(cat "$work/out")"
expect 0 --rpc "$work/liar" "${change[@]}"
expect 0 profile show alice
grep -q 'key memory *65 MiB' "$work/out" || fail "the change of password changed the key memory"
lie "if method == 'profile.get': r.pop('proof', None)"
: >"$work/calls"
got=0
lx --rpc "$work/liar" login alice --secret-file "$work/secret2" >"$work/out" 2>"$work/err" || got=$?
[ "$got" != 0 ] && grep -q 'proof' "$work/err" || fail "an unproven answer is taken: $(cat "$work/err")"
lie "if method == 'chain.genesis':
    import hashlib
    b = bytes.fromhex(r['bytes'])
    b = b[:2] + b'X' + b[3:]
    r['bytes'] = b.hex()
    r['chain_id'] = hashlib.blake2b(b, digest_size=32, person=b'lx.chain'.ljust(16, b'\0')).hexdigest()"
got=0
lx --rpc "$work/liar" login alice --secret-file "$work/nothing" >"$work/out" 2>"$work/err" || got=$?
[ "$got" != 0 ] && grep -q 'another network' "$work/err" || fail "another network is talked to: $(cat "$work/err")"
expect 0 login alice --secret-file "$work/secret2"
kill "$liar"; wait "$liar" 2>/dev/null || true
helpers=
stop
echo "no cheaper oracle"
