#!/bin/sh
# The freestanding archive needs nothing but the mem* functions: every other symbol is its own.
set -eu
archive=$LX_BUILDDIR/liblxverify_free.a
nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >freestanding.has
needs=$(nm -g --undefined-only "$archive" 2>/dev/null | awk 'NF == 2 { print $2 }' | sort -u |
    comm -23 - freestanding.has | grep -vE '^(memcpy|memset|memcmp|memmove|__asan_.*|__ubsan_.*|_GLOBAL_OFFSET_TABLE_)$' || true)
rm -f freestanding.has
[ -z "$needs" ] || { echo "the archive needs: $needs"; exit 1; }
