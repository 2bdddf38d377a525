# tests/daemon/guard.sh - what the tests of lxguard share. Everything is in namespaces of its own: mounts, so that the
# guard's scope is nobody else's, and processes, so that whatever a defect does, no other process can be named.
# The gate ends by itself (--stop-after), and with the test's first process, whatever happens.
if [ -z "${LX_GUARD_INSIDE:-}" ]; then
        [ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
        apart="unshare -m --propagation private -p -f --kill-child --mount-proc"
        $apart true 2>/dev/null || { echo "needs mount and process namespaces"; exit 77; }
        LX_GUARD_INSIDE=1 exec $apart timeout -k 5 "${LIMIT:-200}" "$0" "$@"
fi
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
guard=
m=$work/m
guard_cleanup() { [ -z "$guard" ] || kill -9 "$guard" 2>/dev/null || true; umount -R -l "$m" 2>/dev/null || true; cleanup; }
trap guard_cleanup EXIT

# gate: start it (by the command in $wrap) and wait until it answers.
gate() {
        # shellcheck disable=SC2086 # words on purpose
        ${wrap:-} "$build/lxguard" --conf "$work/g.conf" --stop-after "${LIMIT:-190}" 2>>"$work/glog" &
        guard=$!
        until g status >"$work/gstatus" 2>/dev/null; do
                kill -0 "$guard" 2>/dev/null || { cat "$work/glog"; guard=; ! grep -q "gives no fanotify gate" "$work/glog" || exit 77; return 1; }
        done
}
ungate() { kill "$guard"; wait "$guard" || true; guard=; }
g() { "$build/lx" guard "$@" --conf "$work/g.conf"; }
gfail() { tail -15 "$work/glog" >&2; fail "$@"; }
runs() { "$@" >/dev/null 2>&1 || gfail "it does not run: $*"; }
denied() { ! "$@" >"$work/said" 2>&1 || gfail "it runs: $*"; grep -qi 'not permitted' "$work/said" || gfail "another error: $(cat "$work/said")"; }
# until_status CONDITION: wait for the guard's status to meet a jq condition.
until_status() { for _ in $(seq 200); do [ "$(g status --json | jq "$1")" != true ] || return 0; read -rt 0.05 <> <(:) || :; done; gfail "never: $1"; }

# A node, a publisher who is logged in, and a pinned header.
printf 'brittle moose 41 lantern ocean\n830172\n' >"$work/secret"
chmod 600 "$work/secret"
start
expect 0 profile create alice --secret-file "$work/secret" --kdf-memory 64
expect 0 login alice --secret-file "$work/secret"
expect 0 trust set "$dir/genesis.json"
mkdir "$m"

# conf LINES...: a policy for the file system at $m, and these lines.
conf() {
        cat >"$work/g.conf" <<C
mode = enforce
trust = $work/pin.json
node = $dir/lxnoded.sock
state-dir = $work/state
socket = $work/g.sock
scope-mount = $m
leases = 16
C
        printf '%s\n' "$@" >>"$work/g.conf"
}
