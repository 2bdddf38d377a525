#!/bin/bash
# lx as people and scripts meet it: usage, exit codes, --json, help, completion, terminals, secrets.
set -eu
# shellcheck source=tests/daemon/lib.sh
. "$LX_SRCDIR/tests/daemon/lib.sh"
terminal() { python3 "$LX_SRCDIR/tests/tools/on-terminal" "$@"; }
says() { grep -q -- "$1" "$work/err" || fail "not said: $1, but: $(cat "$work/err")"; }
zero=$(printf '%064d' 0)

# Without a node: wrong usage is 2 and tells the right one; no answer is 3.
expect 3 status
says 'lxnoded --dev'
expect 3 --json status
expect 3 --rpc http://127.0.0.1:1 status
for wrong in nonsense 'status extra' '--bogus status' 'status --bogus' '--wait never status' 'file verify' binary \
    'keygen tree x' 'completion fish' 'register get zz' 'chain header x' "chain tx zz" "chain drop zz" 'trust set 5:zz' \
    'login a --timeout x' 'profile create a --kdf-memory 1x' 'chain export f --from x' 'genesis create' \
    "genesis create --validator a:$zero:x" 'token create a b' 'name claim A_' 'help nope' 'rpc node.status x' \
    '--datadir' "chain verify $work/none" 'binary lookup zz' 'file root /dev/null' "restore $work/none"; do
        # shellcheck disable=SC2086 # words on purpose
        expect 2 $wrong
        [ -s "$work/err" ] || fail "lx $wrong: says nothing"
done
expect 2 binary
grep -q 'lx binary publish' "$work/out" || fail "a group's commands are not shown"
expect 5 keygen device "$work/none/key"
says "$work/none/key:"
expect 0 --version
expect 0 binary publish --help
grep -q -- '--release NAME' "$work/out" || fail "--help lacks an option"

# Help, manual and completion know every command and option of the table.
lx help all >"$work/all"
man="$LX_BUILDDIR/man/lx.1"
[ ! -f "$man" ] || {
        MANWIDTH=200 man -l "$man" 2>/dev/null | col -b >"$work/man"
        grep -oE '^ +lx [a-z]+( [a-z]+)?|--[a-z-]+' "$work/all" | sed 's/^ *//' | sort -u | while read -r word; do
                grep -qF -- "$word" "$work/man" || fail "lx.1 lacks $word"
        done
}
lx completion bash >"$work/bash"
bash -n "$work/bash" || fail "the completion is no bash"
cat >"$work/complete" <<'END'
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_lx
printf '%s\n' "${COMPREPLY[@]}"
END
completes() { # WORD AMONG ARGS...
        word=$1
        shift
        bash "$work/complete" "$work/bash" "$@" | grep -qxF -- "$word" || fail "completion of $*: no $word"
}
completes binary lx b
completes publish lx binary ''
completes --release lx binary publish --r
completes --key-file lx register list --k
completes final lx --wait f
completes readonly lx register create --kind r
completes /etc/passwd lx --json file verify /etc/passw
completes lookup lx --datadir /tmp binary l
if command -v zsh >/dev/null; then
        cat >"$work/zsh" <<'END'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "cd /; PATH=$1:/usr/bin:/bin; source <(lx completion zsh); bindkey '^I' complete-word; echo rea''dy"
zpty -r -m z out '*ready*'
zpty -w -n z "lx binary publish --rel"$'\t'
zpty -r -m z out '*--release*' && echo completed
END
        HOME=$work timeout 20 zsh -f "$work/zsh" "$(cd "$build" && pwd)" | grep -q completed || fail "zsh completes nothing"
fi

start
printf 'brittle moose 41 lantern ocean\n830172\n' >"$work/secret"
chmod 600 "$work/secret"
# One JSON object from every command.
json() {
        expect 0 --json "$@"
        [ "$(jq -cs 'length' <"$work/out")" = 1 ] || fail "--json $*: $(cat "$work/out")"
}
json profile create alice --secret-file "$work/secret" --kdf-memory 64
json login alice --secret-file "$work/secret"
json trust set "$dir/genesis.json"
json trust publisher alice
json status
json chain head
json chain export "$work/chain"
json chain verify "$work/chain"
json register create --data x
json name claim some-name
json file add "$work/secret"
json file update "$work/secret"
json file root "$work/secret"
json trust show
json profile show
expect 0 chain waiting
grep -q 'nothing of yours waits' "$work/out" || fail "chain waiting: $(cat "$work/out")"
json keygen device "$work/key"
json backup "$work/backup"
json rpc rpc.help method=node.status
expect 0 --verify status
expect 0 --verify chain head
expect 0 --verify chain block 1
expect 0 --verify chain header 1
expect 1 --verify register history "$zero"
expect 2 --verify rpc node.status
says 'no proof'
expect 1 chain header 99
expect 1 chain tx "$zero"
expect 2 rpc nope
expect 4 name claim some-name
expect 1 --yes binary lookup "$zero"

# The OpenRPC document describes every method, with names that are used once and schemas.
lx rpc rpc.discover >"$work/openrpc"
jq -e '(.openrpc | test("^1\\.[0-9]+\\.[0-9]+$")) and (.info.title | length > 0) and (.info.version | length > 0) and
    (.methods | length > 20) and ([.methods[].name] | length == (unique | length)) and
    all(.methods[]; (.result.name | type) == "string" and (.result.schema | type) == "object" and
        ([.params[].name] | length == (unique | length)) and
        all(.params[]; (.name | type) == "string" and (.required | type) == "boolean" and
            (.schema.type | IN("string", "integer", "boolean", "array"))))' <"$work/openrpc" >/dev/null ||
    fail "no OpenRPC document: $(head -c 300 "$work/openrpc")"
[ "$(jq -c '[.methods[].name]' <"$work/openrpc")" = "$(lx rpc rpc.help | jq -c '[.methods[].name]')" ] ||
    fail "rpc.discover and rpc.help differ"
# doc/rpc.md has a row for every method, with all of its parameters, and none for others.
lx rpc rpc.help | jq -r '.methods[] | .name + " " + .params' >"$work/methods"
while read -r method params; do
        row=$(grep -F "| \`$method\` |" "$LX_SRCDIR/doc/rpc.md" | cut -d'|' -f3) || fail "doc/rpc.md has no $method"
        for p in $params; do
                case $p in *\?) p=${p%%:*}? ;; *) p=${p%%:*} ;; esac
                printf '%s\n' "$row" | grep -qE "(^|[ \`])${p/\?/\\?}([] \`[]|\$)" || fail "doc/rpc.md: $method lacks $p"
        done
done <"$work/methods"
# What only light nodes answer stands below a heading of its own.
sed -n -e '/^## Light nodes/q' -e 's/^| `\([a-z]*\.[a-z]*\)` |.*/\1/p' "$LX_SRCDIR/doc/rpc.md" | sort >"$work/described"
cut -d' ' -f1 "$work/methods" | sort | diff - "$work/described" >&2 || fail "doc/rpc.md and rpc.help differ"

# A name that is nobody's is not trusted, nor given anything; a name that is taken costs no password.
expect 2 trust publisher nobody
says 'no profile nobody'
! grep -q nobody "$dir/trust.json" || fail "nobody is trusted"
expect 0 trust publisher nobody --remove
expect 0 trust publisher "$(printf '0%.0s' $(seq 64))"
expect 0 trust publisher "$(printf '0%.0s' $(seq 64))" --remove
expect 2 register transfer "$(printf '0%.0s' $(seq 64))" nobody
expect 4 profile create alice --secret-file "$work/secret"
says 'exists already'
! grep -q 'Recovery words' "$work/err" || fail "words for a profile that is not made"
expect 2 guard trust nobody --conf "$work/etc/g.conf"
[ ! -e "$work/etc" ] || fail "a conf file for nobody"
printf 'trust = %s\n' "$work/pin/trust.json" >"$work/g.conf"
expect 0 guard trust alice --conf "$work/g.conf"
cmp "$work/pin/trust.json" "$dir/trust.json"
setsid "$build/lx" --datadir "$dir" profile passwd alice --secret-file "$work/secret" 2>"$work/err" && fail "changed"
says 'use --new-secret-file'

# Colours and progress on a terminal, none in a pipe, none where they are not wanted.
cp /bin/true "$work/tool"
printf x >>"$work/tool"
esc=$(printf '\033')
expect 1 binary verify "$work/tool"
! grep -q "$esc" "$work/out" "$work/err" || fail "colours in a pipe"
terminal "$build/lx" --datadir "$dir" binary verify "$work/tool" >"$work/tty" || true
grep -q "$esc\[33mUNKNOWN" "$work/tty" || fail "no colours on a terminal: $(cat -v "$work/tty")"
NO_COLOR=1 terminal "$build/lx" --datadir "$dir" binary verify "$work/tool" >"$work/tty" || true
! grep -q "$esc\[33m" "$work/tty" || fail "colours in spite of NO_COLOR"
truncate -s 600M "$work/sparse"
terminal "$build/lx" --datadir "$dir" file add "$work/sparse" >"$work/tty"
grep -q 'of 600 MiB, .* MiB/s' "$work/tty" || fail "no progress on a terminal: $(cat -v "$work/tty")"
expect 0 file update "$work/sparse"
! grep -q MiB/s "$work/out" "$work/err" || fail "progress in a pipe"
rm "$work/sparse"

# Secrets: typed without an echo; locked in the agent; no core; nowhere in the log or on the command line.
expect 0 logout
terminal -i "$(cat "$work/secret")" "$build/lx" --datadir "$dir" login alice >"$work/tty" || fail "$(cat "$work/tty")"
! grep -q -e 'moose' -e 830172 "$work/tty" || fail "a typed secret is shown"
agent=$(pgrep -f "^$build/lx --datadir $dir login" | head -1)
[ -n "$agent" ] || fail "there is no agent"
# The address sanitizer takes mlock away from its programs.
nm -D "$build/lx" | grep -q __asan_init ||
        [ "$(awk '/^VmLck/ { print $2 }' "/proc/$agent/status")" -gt 0 ] || fail "the agent's memory is not locked"
grep -q 'Max core file size *0 *0' "/proc/$agent/limits" || fail "the agent may leave a core file"
[ "$(stat -c %a "$dir/agent.sock")" = 600 ] || fail "the agent's socket is open to others"
! grep -q -e moose -e 830172 "$work/log" "/proc/$agent/cmdline" || fail "a secret is in the log or on a command line"
expect 0 register create --data y
expect 0 logout
expect 2 register create --data y
says 'lx login'

# A new session while the old one is busy with somebody: the old one ends later, and takes only its own socket away.
expect 0 login alice --secret-file "$work/secret"
old=$(pgrep -f "^$build/lx --datadir $dir login" | head -1)
python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
while s.send(b"\1" + bytes(40)) and s.recv(96):
    time.sleep(0.5)' "$dir/agent.sock" &
busy=$!
helpers="$helpers $busy"
until [ -n "$(ss -Hx src "$dir/agent.sock" | grep ESTAB)" ]; do kill -0 "$busy" || fail "nobody keeps the agent busy"; done
expect 0 login alice --secret-file "$work/secret"
kill "$busy"
tail --pid="$old" -f /dev/null
expect 0 register create --data z
# And one session after the other, at once.
for _ in 1 2 3 4 5; do
        expect 0 login alice --secret-file "$work/secret"
        expect 0 profile show
done
expect 0 logout

expect 0 login alice --secret-file "$work/secret" --timeout 1
agent=$(pgrep -f "^$build/lx --datadir $dir login" | head -1)
tail --pid="$agent" -f /dev/null # until it ends by itself
expect 2 register create --data y
chmod 644 "$work/secret"
expect 2 login alice --secret-file "$work/secret"
says 'chmod 600'
stop
echo ok
