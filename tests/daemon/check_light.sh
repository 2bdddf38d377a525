#!/bin/bash
# A light node beside a full one: it follows from a trusted header, proves what it watches, answers alone with the
# age when the station is gone and after kill -9, refuses to guess, and keeps to its schedule.
set -eu
. "${LX_SRCDIR:-.}/tests/daemon/lib.sh"
light=$work/l
lightpid=

on_light() { "$build/lx" --datadir "$light" "$@"; }

# start_light ARGS...: start it and wait until it answers.
start_light() {
        "$build/lxnoded" --light --datadir "$light" --rpc-listen none --genesis "$dir/genesis.json" "$@" \
            >>"$work/light.log" 2>&1 &
        lightpid=$!
        helpers=$lightpid
        until on_light status >/dev/null 2>&1; do
                kill -0 "$lightpid" 2>/dev/null || { cat "$work/light.log" >&2; fail "the light node did not start"; }
        done
}

kill_light() { kill -9 "$lightpid"; wait "$lightpid" 2>/dev/null || true; lightpid=; helpers=; }

# until_light COMMAND...: wait until it holds (a minute at most).
until_light() {
        for _ in $(seq 600); do
                if "$@" >/dev/null 2>&1; then return 0; fi
                sleep 0.1
        done
        cat "$work/light.log" >&2
        on_light contact next >&2 || true
        on_light contact list >&2 || true
        fail "never: $*"
}

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

start --listen 127.0.0.1:0
"$build/lx" --datadir "$dir" --yes keygen device "$work/dev.key" >/dev/null
owner() { "$build/lx" --datadir "$dir" --key-file "$work/dev.key" "$@"; }
owner profile create dev >/dev/null 2>&1 || true
owner --json register create --kind raw --data "first" >"$work/created" || fail "no register: $(cat "$work/created")"
address=$(field address <"$work/created")
other=$(owner --json register create --kind raw --data "unwatched" | field address)
owner name claim beacon --target "$address" >/dev/null || fail "no name"
port=$("$build/lx" --datadir "$dir" --json peer list | field listen); port=${port##*:}
id=$("$build/lx" --datadir "$dir" --json peer list | field id)
trusted=$("$build/lx" --datadir "$dir" --json chain header 1 | field hash)
second=$("$build/lx" --datadir "$dir" --json chain header 2 | field hash)
[ -n "$address" ] && [ -n "$port" ] && [ -n "$id" ] && [ -n "$trusted" ] || fail "no facts: $address $port $id $trusted"

# Bad options are told with what to do.
for bad in "--trust 5" "--watch no:such:thing" "--contact /nowhere"; do
        # shellcheck disable=SC2086 # words on purpose
        if "$build/lxnoded" --light --datadir "$light" --genesis "$dir/genesis.json" $bad --check-config \
            >"$work/out" 2>&1; then fail "accepted $bad"; fi
        grep -q -- "${bad%% *}" "$work/out" || fail "$bad: $(cat "$work/out")"
done

mkdir "$work/bin"
cp /bin/true "$work/bin/good"
cp /bin/echo "$work/bin/taken-back"
owner --json binary publish --release flight "$work/bin" >"$work/published" || fail "not published"
release=$(field release <"$work/published")
publisher=$(field publisher <"$work/published")

start_light --history --trust "1:$trusted" --watch "$address" --watch beacon --watch "$release" --peer "$id@127.0.0.1:$port"
until_light on_light register get "$address"
on_light register get "$address" | grep -q "as of     height" || fail "no age is shown"
until_light on_light name resolve beacon
until_light sh -c "'$build/lx' --datadir '$light' contact next | grep -q 'missing    nothing'"
# A change comes with the next contact.
kill_light
owner register write "$address" --data "second" >/dev/null
owner --yes binary revoke "$(sha256sum "$work/bin/taken-back" | cut -d' ' -f1)" >/dev/null || fail "not revoked"
start_light --watch "$address" --watch beacon --watch "$release" --peer "$id@127.0.0.1:$port"
until_light sh -c "'$build/lx' --datadir '$light' register get '$address' | grep -q 7365636f6e64"
on_light contact list | grep -q "honest" || fail "the station is not honest: $(on_light contact list)"
until_light sh -c "'$build/lx' --datadir '$light' contact next | grep -q 'missing    nothing'"
# Proven by the user's own trust.
on_light trust set "1:$trusted" >/dev/null 2>&1 || on_light trust set "$dir/genesis.json" >/dev/null
on_light --verify register get "$address" | grep -q 7365636f6e64 || fail "--verify"
on_light --verify name resolve beacon >/dev/null || fail "--verify of a name"

# The same as a file.
kill_light
owner register write "$address" --data "by file" >/dev/null
height=$("$build/lx" --datadir "$dir" --json chain head | field height)
"$build/lx" --datadir "$dir" chain export --light --from 1 --watch "$address,beacon" >"$work/pass.lxp"
start_light --watch "$address" --watch beacon --watch "$release"
on_light chain import "$work/pass.lxp" | grep -q "height $height, 1 headers and" || fail "import"
on_light --verify register get "$address" | grep -q 62792066696c65 || fail "the pass brought nothing"
head -c 300 "$work/pass.lxp" >"$work/cut.lxp"
if on_light chain import "$work/cut.lxp" 2>"$work/err"; then fail "a cut pass was taken"; fi
grep -q "damaged or cut off" "$work/err" || fail "$(cat "$work/err")"

# By one-way broadcast: any sufficient part of the packets, here from the second on.
if on_light status >/dev/null && "$build/lx" --datadir "$dir" chain broadcast --from 1 --packets 1 127.0.0.1:9 \
    >"$work/out" 2>&1; then
        kill_light
        owner register write "$address" --data "by air" >/dev/null
        start_light --watch "$address" --watch beacon --watch "$release" --broadcast-listen 127.0.0.1
        udp=$(sed -n 's/.*listening for broadcasts" port=//p' "$work/light.log" | tail -1)
        "$build/lx" --datadir "$dir" chain broadcast --from 1 --watch "$address,beacon" --rate 2000000 \
            "127.0.0.1:$udp" >"$work/out" || fail "broadcast: $(cat "$work/out")"
        until_light sh -c "'$build/lx' --datadir '$light' --verify register get '$address' | grep -q 627920616972"
else
        grep -q "without ISA-L" "$work/out" || fail "broadcast: $(cat "$work/out")"
        owner register write "$address" --data "by air" >/dev/null
        "$build/lx" --datadir "$dir" chain export --light --from 1 --watch "$address,beacon" "$work/pass.lxp" >/dev/null
        on_light chain import "$work/pass.lxp" >/dev/null
fi

# Alone: the station goes away, the light node is killed, and answers all the same.
stop
kill_light
start_light --watch "$address" --watch beacon --watch "$release"
on_light --verify register get "$address" >"$work/out" || fail "nothing offline: $(cat "$work/out")"
grep -q 627920616972 "$work/out" || fail "another value offline"
on_light trust publisher "$publisher" >/dev/null
on_light --verify binary verify "$work/bin/good" >"$work/out" || fail "binary verify: $(cat "$work/out")"
grep -q "1 good" "$work/out" || fail "$(cat "$work/out")"
grep -q "oldest proof" "$work/out" || fail "no age: $(cat "$work/out")"
cp "$work/bin/good" "$work/bin/changed"
printf x | dd of="$work/bin/changed" bs=1 seek=5000 conv=notrunc 2>/dev/null
got=0; on_light --verify binary verify "$work/bin" >"$work/out" 2>&1 || got=$?
[ "$got" = 1 ] && grep -q "1 good, 0 bad, 1 unknown, 1 revoked" "$work/out" || fail "binary verify: $got $(cat "$work/out")"
# Old headers, proven by the newest one that it keeps; what it has not is not guessed.
on_light --verify chain header 2 >"$work/out" || fail "no old header: $(cat "$work/out")"
[ "$(on_light --json --verify chain header 2 | field hash)" = "$second" ] || fail "another header 2"
on_light --verify --json chain header 0 >"$work/out" || fail "no header 0: $(cat "$work/out")"
got=0; on_light chain header 999999 >"$work/out" 2>&1 || got=$?
[ "$got" != 0 ] && grep -q "has no header 999999" "$work/out" || fail "header 999999: $got $(cat "$work/out")"
got=0; on_light register get "$other" >"$work/out" 2>&1 || got=$?
[ "$got" = 4 ] && grep -q "not watched" "$work/out" || fail "it guessed: $got $(cat "$work/out")"
# Another trusted header of a height it has: refused.
kill_light
if "$build/lxnoded" --light --datadir "$light" --rpc-listen none --trust "1:$(printf '%064d' 7)" >"$work/out" 2>&1; then
        fail "another header of a known height was taken"
fi
# A second one on the same directory, a schedule without a contact now.
echo "2020-01-01T00:00:00Z 2020-01-01T00:08:00Z 60000 # over" >"$work/schedule"
echo "2099-01-01T00:00:00Z 2099-01-01T00:08:00Z" >>"$work/schedule"
start_light --watch "$address" --contact "$work/schedule" --peer "$id@127.0.0.1:$port"
if "$build/lxnoded" --light --datadir "$light" --rpc-listen none >"$work/out" 2>&1; then fail "two on one directory"; fi
grep -q "in use" "$work/out" || fail "$(cat "$work/out")"
on_light contact next | grep -q "next       2099-01-01T00:00:00.000Z" || fail "$(on_light contact next)"
on_light stop >/dev/null
wait "$lightpid" || fail "the light node did not stop cleanly"
helpers=
