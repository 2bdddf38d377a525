#!/bin/sh
# Replays the corpus of every fuzz target: LX_FUZZERS names them.
set -eu
[ -n "$LX_FUZZERS" ] || { echo "no fuzz targets"; exit 77; }
for name in $LX_FUZZERS; do
        dir=$LX_SRCDIR/tests/fuzz/corpus/$name
        [ -n "$(ls -A "$dir" 2>/dev/null)" ] || { echo "$name: no corpus in tests/fuzz/corpus/$name"; exit 1; }
        printf '%s: ' "$name"
        "$LX_BUILDDIR/tests/fuzz/$name" "$dir"/*
done
