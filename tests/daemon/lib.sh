# tests/daemon/lib.sh - what the tests of real daemons share: one node in a directory of its own.
# Everything is on unix sockets; the node and its directory go away with the test.
build=${LX_BUILDDIR:-.}
work=$(mktemp -d)
dir=$work/n
pid=
helpers= # further processes of the test
cleanup() {
        [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
        # shellcheck disable=SC2086 # words on purpose
        [ -z "$helpers" ] || kill $helpers 2>/dev/null || true
        "$build/lx" --datadir "$dir" logout >/dev/null 2>&1 || true
        rm -rf "$work"
}
trap cleanup EXIT

fail() { echo "FAIL: $*" >&2; [ ! -f "$work/log" ] || tail -20 "$work/log" >&2; exit 1; }

# start ARGS...: start the node and wait until it answers.
start() {
        "$build/lxnoded" --dev --datadir "$dir" --rpc-listen none "$@" >>"$work/log" 2>&1 &
        pid=$!
        until "$build/lx" --datadir "$dir" status >/dev/null 2>&1; do
                kill -0 "$pid" 2>/dev/null || fail "the node did not start"
        done
}

stop() { "$build/lx" --datadir "$dir" stop >/dev/null; wait "$pid" || fail "the node did not stop cleanly"; pid=; }

lx() { "$build/lx" --datadir "$dir" "$@"; }

# expect STATUS ARGS...: lx must end with STATUS.
expect() {
        want=$1
        shift
        got=0
        lx "$@" >"$work/out" 2>"$work/err" || got=$?
        [ "$got" = "$want" ] || { cat "$work/out" "$work/err" >&2; fail "lx $*: status $got, not $want"; }
}

rpc() { curl -s --max-time 20 --unix-socket "$dir/lxnoded.sock" -d "$1" http://n/rpc; }
