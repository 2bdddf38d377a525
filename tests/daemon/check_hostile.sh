#!/bin/bash
# Hostile clients, files and disks: each a clear error; no crash, no leak, no hang; others are served.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
says() { grep -q -- "$1" "$work/err" || fail "not said: $1, but: $(cat "$work/err")"; }

"$build/lxnoded" --dev --datadir "$dir" --rpc-listen 127.0.0.1:0 >"$work/log" 2>&1 &
pid=$!
until lx status >/dev/null 2>&1; do kill -0 "$pid" || fail "no start"; done
expect 0 keygen device "$work/key"
expect 0 --key-file "$work/key" profile create
python3 "$LX_SRCDIR/tests/tools/hostile-client" "$dir" "$pid" || fail "a hostile client has done harm"
expect 0 --key-file "$work/key" register create --data alive

# Files that are none: no command waits for them, each says what is wrong.
mkdir "$work/f"
mkfifo "$work/f/fifo"
ln -s loop "$work/f/loop"
ln -s /dev/zero "$work/f/device"
chmod 600 "$work/f/fifo"
for path in "$work/f/fifo" /dev/zero /dev/null "$work/f/loop" "$work/f/device" "$work/f/none" "$work/f/fifo/x"; do
        for how in 'file root' 'binary lookup' 'binary publish' 'file add' 'file update' 'file verify' \
            'chain verify' 'trust set' 'register create --data @'; do
                case $how in *@) args="$how$path" ;; *) args="$how $path" ;; esac
                # shellcheck disable=SC2086 # words on purpose
                timeout 10 "$build/lx" --datadir "$dir" --key-file "$work/key" $args >"$work/out" 2>"$work/err" && got=0 || got=$?
                [ "$got" = 2 ] || [ "$got" = 5 ] || fail "lx $args: status $got: $(cat "$work/err")"
                [ -s "$work/err" ] || fail "lx $args says nothing"
        done
        for secret in "login x --secret-file $path" "profile recover x --words-file $path" "--key-file $path profile show" \
            "backup $path/x"; do
                case $secret in */none/x) continue ;; esac # that one can be made
                # shellcheck disable=SC2086
                timeout 10 "$build/lx" --datadir "$dir" $secret >"$work/out" 2>"$work/err" && got=0 || got=$?
                [ "$got" != 0 ] && [ "$got" != 124 ] && [ -s "$work/err" ] || fail "lx $secret: status $got"
        done
        got=0
        timeout 10 "$build/lxnoded" --datadir "$work/x" --conf "$path" --check-config >"$work/out" 2>&1 || got=$?
        [ "$got" = 2 ] || [ "$got" = 5 ] || { [ "$path" = /dev/null ] && [ "$got" = 0 ]; } || fail "--conf $path: status $got"
done
# A directory with all of these: what is no file is passed over.
cp /bin/true "$work/f/tool"
expect 0 --key-file "$work/key" binary publish "$work/f"
expect 0 --key-file "$work/key" file add "$work/f"
if [ "$(id -u)" = 0 ]; then
        install -m 600 /bin/true "$work/f/secret"
        chmod 755 "$work" "$work/f"
        timeout 10 setpriv --reuid=65534 --clear-groups "$build/lx" file root "$work/f/secret" >"$work/out" 2>"$work/err" && got=0 || got=$?
        [ "$got" = 2 ] || [ "$got" = 126 ] || fail "an unreadable file: status $got"
        [ "$got" = 126 ] || says 'Permission denied'
fi

# Files that change and shrink while they are read: an error that says so, or the one or the other state.
truncate -s 64M "$work/moving"
while :; do truncate -s $((RANDOM * 2048)) "$work/moving"; done &
helpers=$!
changed=0
for _ in $(seq 1 40); do
        got=0
        timeout 20 "$build/lx" file root "$work/moving" >"$work/out" 2>"$work/err" || got=$?
        [ "$got" = 0 ] || [ "$got" = 5 ] || fail "a file that changes: status $got: $(cat "$work/err")"
        [ "$got" = 0 ] || { says 'changed'; changed=$((changed + 1)); }
done
kill "$helpers"
wait "$helpers" 2>/dev/null || true
helpers=
[ "$changed" -gt 0 ] || fail "a file that changes is never noticed"
stop

# Directories that cannot be written, disks that are full (where mounting is allowed).
try_mount() { mount -t tmpfs -o "size=$1" tmpfs "$2" 2>/dev/null; }
mkdir "$work/m"
if try_mount 64m "$work/m"; then
        trap 'umount -l "$work/m" 2>/dev/null || true; cleanup' EXIT
        dir=$work/m/n
        start
        expect 0 --key-file "$work/key" profile create
        acks=0
        # The disk fills up under it, by its own blocks and somebody else's file.
        head -c 20000000 /dev/zero >"$work/m/other"
        head -c 3000 /dev/urandom >"$work/data"
        while lx --key-file "$work/key" register create --data @"$work/data" >/dev/null 2>"$work/err"; do
                acks=$((acks + 1))
                [ "$acks" -lt 3000 ] || fail "a disk of 64 MiB never fills up"
                [ $((acks % 20)) != 0 ] || head -c 4000000 /dev/zero >>"$work/m/other" 2>/dev/null || true
        done
        says 'space'
        kill -0 "$pid" || fail "a full disk ends the node"
        expect 0 status
        expect 0 register list --standard raw
        [ "$(curl -s -o "$work/out" -w '%{http_code}' --unix-socket "$dir/lxnoded.sock" http://n/ready)" = 503 ] ||
            fail "/ready with a full disk"
        jq -e '.reasons | length > 0' <"$work/out" >/dev/null || fail "/ready gives no reason"
        grep -q 'space' "$work/log" || fail "the log does not say that the disk is full"
        "$build/lx" --datadir "$dir" stop >/dev/null 2>&1 || true
        wait "$pid" 2>/dev/null || true
        pid=
        rm "$work/m/other"
        "$build/lxnoded" --datadir "$dir" --check-db >"$work/out" 2>&1 || fail "after a full disk: $(cat "$work/out")"
        start
        [ "$(lx --key-file "$work/key" register list --standard raw --json | wc -l)" -ge "$acks" ] ||
            fail "a full disk lost what was acknowledged"
        expect 0 --key-file "$work/key" register create --data later
        stop
        mount -o remount,ro "$work/m"
        for args in "--dev --rpc-listen none" "--restore $work/f"; do
                got=0
                # shellcheck disable=SC2086
                timeout 20 "$build/lxnoded" --datadir "$dir" $args >"$work/out" 2>&1 || got=$?
                [ "$got" = 5 ] || [ "$got" = 2 ] || fail "a read-only data directory: status $got: $(cat "$work/out")"
                grep -q "$dir" "$work/out" || fail "the directory is not named: $(cat "$work/out")"
        done
        umount "$work/m"
fi
echo ok
