# tests/daemon/overlay.sh - what the tests of routers share: a lab of sites in namespaces (contrib/overlay-lab) that goes
# away with the test. Read it first; then set and export what the lab shall be (SERVERS, VALIDATORS, OPTIONS).
[ "$(id -u)" = 0 ] && ip netns list >/dev/null 2>&1 || { echo "needs root and network namespaces"; exit 77; }
[ -e /dev/net/tun ] || { echo "needs /dev/net/tun"; exit 77; }
work=$(mktemp -d)
LAB=$work/lab
LAB_NAME=lxt$$
BUILD=$LX_BUILDDIR
export LAB LAB_NAME BUILD
helper= # one more process of the test
lab() { "$LX_SRCDIR/contrib/overlay-lab" "$@" </dev/null; }
cleanup() {
        [ -z "$helper" ] || kill "$helper" 2>/dev/null || true
        lab down
        rm -rf "$work"
}
trap cleanup EXIT

fail() { echo "FAIL: $*" >&2; for log in "$LAB"/*.log; do tail -n 3 "$log"; done >&2; exit 1; }

# within SECONDS CMD...: wait until it succeeds
within() {
        local end=$((SECONDS + $1))
        shift
        until "$@" >/dev/null 2>&1; do
                [ "$SECONDS" -lt "$end" ] || return 1
                read -rt 0.1 <> <(:) || true
        done
}
