#!/bin/bash
# What a node serves to a browser, without one: who may look, what the files are, the events; and the page's own proof
# checks against the vectors, with node where that is. The page itself in a browser: make check-page.
set -eu
. "$LX_SRCDIR/tests/daemon/lib.sh"
start --rpc-listen 127.0.0.1:0
tcp=http://$(lx --json status | jq -r '.rpc[1]')
cookie=$(cat "$dir/.cookie")
code() { curl -s --max-time 20 -o "$work/body" -D "$work/head" -w '%{http_code}' "$@"; }
for path in / /page.js /page.css /proof.js /events /metrics /rpc; do
        [ "$(code "$tcp$path")" = 401 ] || fail "$path without the cookie"
done
grep -qi '^WWW-Authenticate: Basic realm="lxnoded"' "$work/head" || fail "a browser is not asked for the cookie"
[ "$(code "$tcp/" --user "$cookie")" = 200 ] || fail "/ with the cookie"
grep -qi "^Content-Security-Policy: default-src 'none'; script-src 'self';.*frame-ancestors 'none'" "$work/head" || fail "no policy"
size=0
for path in / /page.css /proof.js /page.js; do
        [ "$(code "$tcp$path" --user "$cookie")" = 200 ] || fail "$path"
        name=src/rpc/${path#/}; [ "$path" != / ] || name=src/rpc/page.html
        cmp -s "$work/body" "$LX_SRCDIR/$name" || fail "$path is not $name"
        ! grep -qE '(src|href)="(https?:)?//|url\(|@import|innerHTML|eval\(|document\.write' "$work/body" || fail "$path asks others, or makes markup of text"
        size=$((size + $(wc -c <"$work/body")))
done
[ $size -lt 204800 ] || fail "the page has $size bytes"

# The cookie that a browser keeps is not lent to other sites.
call='{"jsonrpc":"2.0","id":1,"method":"node.status"}'
[ "$(code "$tcp/rpc" --user "$cookie" -d "$call")" = 200 ] || fail "rpc"
[ "$(code "$tcp/rpc" --user "$cookie" -d "$call" -H "Origin: $tcp")" = 200 ] || fail "the own origin"
for origin in http://evil.example null https://evil.example:5390 "${tcp}0" "http://x/$tcp"; do
        [ "$(code "$tcp/rpc" --user "$cookie" -d "$call" -H "Origin: $origin")" = 403 ] || fail "origin $origin"
done
[ "$(code "$tcp/rpc" --user "$cookie" -d "$call" -H 'Sec-Fetch-Site: cross-site')" = 403 ] || fail "cross-site"
[ "$(code "$tcp/" --user "$cookie" -X POST -d "$call")" = 200 ] || fail "POST / is RPC still"
[ "$(code "$tcp/page.js" --user "$cookie" -X POST -d x)" = 404 ] || fail "POST /page.js"

# Events: at once, and when something changed; many, and no more than many; who goes away is forgotten.
curl -sN --max-time 60 --user "$cookie" "$tcp/events" >"$work/events" & helpers=$!
events() { grep -c '^data: ' "$work/events" || true; }
tries=0
until [ "$(events)" -ge 1 ]; do lx status >/dev/null; tries=$((tries + 1)); [ $tries -lt 3000 ] || fail "no event"; done
[ "$(sed -n 's/^data: //p' "$work/events" | head -1 | jq -r '.height, has("uptime_ms")' | tr '\n' ' ')" = "0 false " ] || fail "the first event: $(head -c 300 "$work/events")"
"$build/lx" --yes keygen device "$work/key" >/dev/null
lx --key-file "$work/key" profile create >/dev/null
until sed -n 's/^data: //p' "$work/events" | tail -1 | jq -e '.height == 1' >/dev/null 2>&1; do
        lx status >/dev/null; tries=$((tries + 1)); [ $tries -lt 6000 ] || fail "no event of the block"
done
more=
for i in $(seq 70); do curl -sN --max-time 60 --unix-socket "$dir/lxnoded.sock" http://n/events >"$work/many$i" & more="$more $!"; done
until [ "$(cat "$work"/many* 2>/dev/null | grep -c -e '^data: ' -e 'too many pages')" -ge 70 ]; do
        lx status >/dev/null; tries=$((tries + 1)); [ $tries -lt 20000 ] || fail "70 pages: $(cat "$work"/many* | grep -c '^data: ')"
done
[ "$(cat "$work"/many* | grep -c 'too many pages')" = 7 ] || fail "not 64 pages at most: $(cat "$work"/many* | grep -c 'too many pages') refused"
# shellcheck disable=SC2086 # words on purpose
kill $more $helpers 2>/dev/null || true
# shellcheck disable=SC2086
wait $more $helpers 2>/dev/null || true
helpers=
# A block is an event, which finds out who has gone.
"$build/lx" --yes keygen device "$work/key2" >/dev/null
lx --key-file "$work/key2" profile create >/dev/null
again() { curl -sN --max-time 3 --unix-socket "$dir/lxnoded.sock" http://n/events 2>/dev/null | grep -q '^data: '; }
tries=0
until again; do lx status >/dev/null; tries=$((tries + 1)); [ $tries -lt 3000 ] || fail "pages that are gone still count"; done
# The node stops while one looks.
curl -sN --max-time 60 --unix-socket "$dir/lxnoded.sock" http://n/events >"$work/last" & helpers=$!
until grep -q '^data: ' "$work/last"; do lx status >/dev/null; done
stop
if command -v node >/dev/null; then node "$LX_SRCDIR/tests/page/vectors.js" "$(readlink -f "$LX_SRCDIR")" || fail "the page's proofs"; fi
echo ok
