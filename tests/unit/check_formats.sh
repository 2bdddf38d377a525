#!/bin/sh
# The published vectors are what the code encodes, and what Python makes of the documents.
set -eu
"$LX_BUILDDIR/tests/tools/gen-formats" "$LX_SRCDIR/tests/vectors/formats.json"
"$LX_SRCDIR/tests/tools/check-formats" "$LX_SRCDIR/tests/vectors/formats.json" \
    "$LX_SRCDIR/src/crypto/tags.h" "$LX_SRCDIR/doc/crypto.md"
# A vector with one changed digit is noticed by both.
sed '0,/"root": "[0-9a-f]/s//"root": "x/; s/"root": "x/"root": "0/' "$LX_SRCDIR/tests/vectors/formats.json" >formats.bad
if "$LX_BUILDDIR/tests/tools/gen-formats" formats.bad 2>/dev/null; then echo "gen-formats is blind"; exit 1; fi
rm -f formats.bad
