#!/bin/sh
# What a user of the library does: installs it, asks pkg-config, builds the example out of the tree, runs it.
set -eu
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s -C "$LX_BUILDDIR" DESTDIR="$stage" install-libLTLIBRARIES install-includeHEADERS \
    install-pkgconfigDATA >"$stage/log" 2>&1 || { cat "$stage/log"; exit 1; }
pc=$(find "$stage" -name lxverify.pc)
[ -n "$pc" ] || { echo "lxverify.pc is not installed"; exit 1; }
prefix=$(sed -n 's/^prefix=//p' "$pc")
ask() { PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$stage$prefix" "$@"; }
[ "$(ask --modversion lxverify)" = "$(sed -n 's/^AC_INIT(\[lxnoded\], \[\(.*\)\])$/\1/p' "$LX_SRCDIR/configure.ac")" ]
# The installed header needs nothing of the tree, also in C++.
echo '#include <lxverify.h>' >"$stage/alone.c"
# shellcheck disable=SC2046 # words on purpose
cc -std=c11 -Wall -Wextra -pedantic -Werror -fsyntax-only $(ask --cflags lxverify) "$stage/alone.c"
# shellcheck disable=SC2046
if command -v c++ >/dev/null; then c++ -x c++ -Wall -Werror -fsyntax-only $(ask --cflags lxverify) "$stage/alone.c"; fi
# shellcheck disable=SC2046
cc -std=gnu11 -Wall -Werror -o "$stage/example" "$LX_SRCDIR/examples/verify-register.c" \
    $(ask --cflags --libs lxverify libb2 libsecp256k1 jansson)
status=0
LD_LIBRARY_PATH=$(ask --variable=libdir lxverify) "$stage/example" 2>/dev/null || status=$?
[ "$status" = 2 ] || { echo "the example ends with $status, not 2 (usage)"; exit 1; }
# Nothing but lxv_ is visible outside.
others=$(nm -D --defined-only "$(ask --variable=libdir lxverify)/liblxverify.so" | awk '{ print $3 }' | grep -v '^lxv_' || true)
[ -z "$others" ] || { echo "the library shows: $others"; exit 1; }
echo "installed, found, linked"
