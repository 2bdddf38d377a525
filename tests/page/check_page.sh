#!/bin/bash
# The page that a node serves, in headless Chromium: live, searched, lied to, by keyboard, on a phone, dark and light.
# make check-page runs it; not part of make check. Needs chromium and npm (contrib/install-deps --packaging) and fetches
# playwright-core into PAGE_NPM once. Screenshots: PAGE_SHOTS.
set -eu
chromium=$(command -v chromium || true)
[ -n "$chromium" ] && command -v npm >/dev/null || { echo "needs chromium and npm: contrib/install-deps --packaging"; exit 77; }
npm=${PAGE_NPM:-$PWD/page-npm}
if [ ! -d "$npm/node_modules/playwright-core" ]; then
        mkdir -p "$npm"
        (cd "$npm" && npm install --silent --no-audit --no-fund --no-save playwright-core@1.48) || { echo "npm cannot fetch playwright-core"; exit 77; }
fi
# In a network of its own, where that can be made: the router's ports are then ours.
if [ -z "${LX_OWN_NET-}" ] && [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
        # shellcheck disable=SC2016 # the inner shell's
        LX_OWN_NET=1 PAGE_NPM=$npm exec unshare -n "$BASH" -c 'ip link set lo up && exec "$BASH" "$0"' "$0"
fi
. "$LX_SRCDIR/tests/daemon/lib.sh"
build=$(readlink -f "$build")
router=()
[ -z "${LX_OWN_NET-}" ] || router=(--router --router-tun none)
start --rpc-listen 127.0.0.1:0 "${router[@]}"
"$build/lx" --yes keygen device "$work/key" >/dev/null
lx() { "$build/lx" --datadir "$dir" --key-file "$work/key" "$@"; }
printf '#!/bin/sh\nexec "%s/lx" --datadir "%s" --key-file "%s" "$@"\n' "$build" "$dir" "$work/key" >"$work/lx"; chmod +x "$work/lx"
lx profile create >/dev/null
mkdir "$work/bin"; printf '#!/bin/sh\nexit 0\n' >"$work/bin/tool"; chmod +x "$work/bin/tool"
lx binary publish --release tools "$work/bin" >/dev/null
reg=$(lx --json register create --data hello | jq -r .address)
lx register write "$reg" --data world >/dev/null
tx=$(lx --json chain block "$(lx --json status | jq .height)" | jq -r '.transactions[0]')
lx name claim station-7 --target "$reg" >/dev/null
eid=
if [ ${#router[@]} -gt 0 ]; then
        eid=$(lx --json eid create "$work/eid.key" --rlocs 192.0.2.7 | jq -r .eid)
        stop
        start --rpc-listen 127.0.0.1:0 "${router[@]}" --router-eid "$work/eid.key" --router-rloc 192.0.2.7
fi
tcp=$("$build/lx" --datadir "$dir" --json status | jq -r '.rpc[1]')
rpc '{"jsonrpc":"2.0","id":1,"method":"guard.report","params":{"mode":"enforce","entries":6190,"judged":812,"denied":1,"age":12,
"findings":[{"time":"2026-11-25T01:02:03.000Z","verdict":"denied","rule":"unknown","path":"/tmp/<b>evil</b>","exe":"/bin/sh","pid":7}]}}' >/dev/null
cp "$dir/.cookie" "$work/cookie"
jq -n --arg digest "$(sha256sum "$work/bin/tool" | cut -d' ' -f1)" --arg register "$reg" --arg name station-7 --arg tx "$tx" --arg eid "${eid%/*}" \
    --argjson height "$("$build/lx" --datadir "$dir" --json status | jq .height)" '{digest: $digest, register: $register, name: $name, tx: $tx, height: ($height - 1),
    eid: (if $eid == "" then null else $eid end)}' >"$work/what.json"
NODE_PATH=$npm/node_modules timeout 300 node "$LX_SRCDIR/tests/page/browser.js" "$chromium" "http://$tcp/" "$work" >"$work/page.json" 2>"$work/err" || {
        mkdir -p "${PAGE_SHOTS:-page-shots}"; cp "$work"/*.png "${PAGE_SHOTS:-page-shots}/" 2>/dev/null || true; fail "$(cat "$work/err")"; }
# Fifty open pages: what they cost the node, in percent of a core.
for i in $(seq 50); do curl -sN --max-time 25 --user "$(cat "$dir/.cookie")" "http://$tcp/events" >"$work/events$i" 2>/dev/null & helpers="$helpers $!"; done
until [ "$(lx --json rpc node.status >/dev/null 2>&1; grep -l '^data' "$work"/events* 2>/dev/null | wc -l)" = 50 ]; do :; done
before=$(awk '{print $14 + $15}' "/proc/$pid/stat"); sleep 15; after=$(awk '{print $14 + $15}' "/proc/$pid/stat")
jq -c --argjson ticks $((after - before)) --argjson hz "$(getconf CLK_TCK)" '. + {"fifty_pages_percent": ($ticks * 100 / $hz / 15)}' "$work/page.json"
mkdir -p "${PAGE_SHOTS:-page-shots}"
cp "$work"/*.png "${PAGE_SHOTS:-page-shots}/"
stop
echo ok
