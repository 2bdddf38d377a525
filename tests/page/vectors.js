// node vectors.js SRCDIR: the page's own code (src/rpc/proof.js) against the vectors that C passes too: every value must
// come out, and every changed byte must be refused.
"use strict";
const fs = require("fs"), src = process.argv[2], P = require(`${src}/src/rpc/proof.js`);
const v = JSON.parse(fs.readFileSync(`${src}/tests/vectors/formats.json`, "utf8")), x = P.unhex;
let count = 0;
const is = (got, want, what) => { count++; if (got !== want) throw new Error(`${what}: ${got} is not ${want}`); };
const holds = (f, what) => { count++; try { f(); } catch (e) { throw new Error(`${what}: ${e.message}`); } };
const fails = (f, what) => { count++; try { f(); } catch { return; } throw new Error(`${what} was believed`); };
const flip = (b, i) => { const c = Uint8Array.from(b); c[i] ^= 1; return c; };

is(P.hex(P.sha256(P.text("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256");
is(P.hex(P.sha256(new Uint8Array(119))), require("crypto").createHash("sha256").update(new Uint8Array(119)).digest("hex"), "SHA-256, two blocks");
for (const h of v.hash) is(P.hex(P.H(h.tag, x(h.data))), h.hash, h.tag);
for (let n = 0; n < 300; n += 7) is(P.H("lx.leaf", new Uint8Array(n)).length, 32, "length");
for (const a of v.address.canonical) is(P.hex(P.address(a.type, x(a.key))), a.address, "address");

const h = P.header(x(v.header.header)), set = P.valset(x(v.header.valset)), cert = x(v.header.certificate);
is(P.hex(h.hash), v.header.hash, "header hash");
is(P.hex(set.hash), v.header.valset_hash, "set hash");
holds(() => is(P.certificate(h, set, cert).round, v.header.round, "round"), "certificate");
for (let i = 4; i < cert.length; i += 5) fails(() => P.certificate(h, set, flip(cert, i)), `a certificate with byte ${i} changed`);
for (let i = 0; i < cert.length; i += 9) fails(() => P.certificate(h, set, cert.subarray(0, i)), `a certificate cut at ${i}`);
fails(() => P.certificate({...h, height: h.height + 1}, set, cert), "a certificate of another height");
fails(() => P.header(x(v.header.header + "00")), "a header with a byte too many");

for (const t of v.state_tree) {
  const root = x(t.root);
  for (const a of t.absent) {
    holds(() => P.state(x(a.proof), x(a.key), null, root), "absence");
    fails(() => P.state(x(a.proof), x(a.key), new Uint8Array(32), root), "absence as presence");
  }
  for (const a of t.present) fails(() => P.state(x(a.proof), x(a.key), null, root), "presence as absence");
  for (const a of t.absent.slice(0, 2)) for (let i = 0; i < x(a.proof).length; i += 11) fails(() => P.state(flip(x(a.proof), i), x(a.key), null, flip(root, 3)), "another root");
}
for (const t of v.state.filter((s) => s.state_key)) {
  is(P.hex(P.stateKey(t.kind, x(t.key))), t.state_key, "state key");
  if (t.value_hash) is(P.hex(P.stateValue(x(t.value))), t.value_hash, "value hash");
  if (t.name === "register") holds(() => P.object(P.register(x(t.value)).data), "register");
}
is(P.hex(P.H("lx.value", x(v.manifest.index.release), P.number(v.manifest.index.entry, 4))), v.manifest.index.value, "index value");

let signatures = 0;
for (const line of fs.readFileSync(`${src}/tests/vectors/bip340.csv`, "utf8").trim().split("\n").slice(1)) {
  const [, , key, , msg, sig, result] = line.split(",");
  is(P.schnorr(x(key), x(msg), x(sig)), result === "TRUE", `BIP 340: ${line}`);
  signatures++;
}
is(signatures >= 15, true, "BIP 340 vectors");
console.log(`${count} checks`);
