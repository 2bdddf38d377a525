#!/bin/bash
# A disk that fails, dies and forgets at many points of a small life (tests/tools/fault-sweep);
# `make torture` takes every point.
set -eu
if nm -D "$LX_BUILDDIR/tests/tools/store_script" 2>/dev/null | grep -q __asan_init; then
        echo "a library cannot be preloaded before the address sanitizer's: skipped"
        exit 77
fi
ALLOC_STRIDE=${ALLOC_STRIDE:-15} exec "$LX_SRCDIR/tests/tools/fault-sweep" "$LX_BUILDDIR" "${STRIDE:-30}"
