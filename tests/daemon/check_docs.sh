#!/bin/bash
# What the documents for operators quote is there: each message in doc/troubleshooting.md stands in a source, each option
# and metric that they name exists, each page that they point to.
set -eu
src=$LX_SRCDIR
fail() { echo "FAIL: $*" >&2; exit 1; }
quoted=0
while IFS= read -r text; do
        quoted=$((quoted + 1))
        grep -rqF -- "$text" "$src/src" "$src/contrib/monitoring" || fail "doc/troubleshooting.md quotes \"$text\", which no program says"
done < <(sed -n 's/^| `\([^`]*\)`.*/\1/p' "$src/doc/troubleshooting.md")
[ $quoted -ge 15 ] || fail "only $quoted messages are quoted"
docs="$src/doc/operations.md $src/doc/troubleshooting.md $src/doc/tutorial.md"
{ "$LX_BUILDDIR/lxnoded" --help; "$LX_BUILDDIR/lx" help all; "$LX_BUILDDIR/lxguard" --help; } >/tmp/check_docs.$$ 2>&1
trap 'rm -f /tmp/check_docs.$$' EXIT
# shellcheck disable=SC2086 # words on purpose
for option in $(grep -ohE '(lx|lxnoded|lxguard)( [^|`]*)? --[a-z][a-z-]+' $docs | grep -oE -e '--[a-z][a-z-]+' | sort -u); do
        case $option in --now|--help|--version|--verify|--json|--datadir) continue ;; esac
        grep -q -e "$option" /tmp/check_docs.$$ || fail "no program has the option $option"
done
# shellcheck disable=SC2086
for metric in $(grep -ohE '\b(lxnoded|lxnode_peer|process)_[a-z_]*[a-z]\b' $docs | sort -u); do
        case $metric in lxnoded_router_drop) continue ;; esac
        grep -rqF -e "${metric#lxnoded_}" -e "${metric#lxnode_peer_}" -e "${metric#process_}" "$src"/src/rpc/*.c ||
            grep -qF "X(${metric#lxnoded_router_}" "$src/src/router/router.h" || case $metric in
                lxnoded_guard_*) name=${metric#lxnoded_guard_}; grep -qF "{\"${name%_total}\"," "$src/src/rpc/guard.c" ;;
                *) false ;;
            esac || fail "no metric $metric"
done
# shellcheck disable=SC2086
for page in $(grep -ohE '(doc|contrib|tests)/[a-z_/]+\.(md|sh|conf|service)' $docs "$src/README" | sort -u); do
        [ -e "$src/$page" ] || fail "$page is pointed to and not there"
done
# The package of the library lists what it exports.
library=$LX_BUILDDIR/.libs/liblxverify.so
[ ! -e "$library" ] || [ "$(nm -D --defined-only "$library" | sed -n 's/.* T \(lxv_[a-z_]*\)$/\1/p' | sort | tr '\n' ' ')" = \
    "$(sed -n 's/^ \(lxv_[a-z_]*\)@.*/\1/p' "$src/debian/liblxverify0.symbols" | sort | tr '\n' ' ')" ] ||
        fail "debian/liblxverify0.symbols does not list what $library exports"
echo "ok: $quoted messages"
