#!/bin/sh
# The outside judge: tshark dissects every control message that our encoders build, without a mark.
set -eu
command -v tshark >/dev/null || { echo "no tshark"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
LX_PCAP=$dir/m.pcap "$LX_BUILDDIR/tests/unit/check_router_codec" >/dev/null
bad='lisp.undecoded || lisp.unexpected_field || lisp.invalid_field || lisp.expected_field || _ws.malformed'
tshark -r "$dir/m.pcap" -Y "$bad" >"$dir/bad" 2>/dev/null
if [ -s "$dir/bad" ]; then
        cat "$dir/bad"
        tshark -r "$dir/m.pcap" -Y "$bad" -V 2>/dev/null | grep -v '^ *\[' | head -150
        exit 1
fi
# What it reads is what was built (this dissector knows no more of a Map-Notify-Ack than its type).
tshark -r "$dir/m.pcap" -T fields -e lisp.type -e lisp.nonce 2>/dev/null >"$dir/got"
cat >"$dir/want" <<'END'
1	0x1122334455667788
1	0x1122334455667788
1	0x1122334455667788
2	0x0000000000000063
2	0x0000000000000063
3	0x000000000000002a
4	0x000000000000002a
5	
8,1	0x1122334455667788
END
diff "$dir/want" "$dir/got"
