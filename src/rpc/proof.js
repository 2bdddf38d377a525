/*
 * proof.js - what a page needs to check a node's answers: BLAKE2b with a tag (RFC 7693; doc/crypto.md), SHA-256 (FIPS
 * 180-4), BIP 340, the log and state trees (doc/merkle.md), headers, sets and certificates (doc/header.md). Plain
 * functions over Uint8Array; no network, no page. Whoever fails throws an Error that says what does not hold.
 */
"use strict";
const Proof = (() => {
  // ---- bytes
  const unhex = (s) => {
    if (typeof s !== "string" || s.length % 2 || !/^[0-9a-f]*$/i.test(s)) throw new Error("no hex");
    return Uint8Array.from({length: s.length / 2}, (_, i) => parseInt(s.slice(2 * i, 2 * i + 2), 16));
  };
  const hex = (b) => Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
  const text = (s) => new TextEncoder().encode(s);
  const join = (...parts) => {
    const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of parts) { out.set(p, at); at += p.length; }
    return out;
  };
  const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
  const number = (n, size) => {
    const out = new Uint8Array(size);
    let v = BigInt(n);
    for (let i = size - 1; i >= 0; i--) { out[i] = Number(v & 255n); v >>= 8n; }
    return out;
  };
  const big = (b) => b.length ? BigInt("0x" + hex(b)) : 0n;
  /* Reads like lx_reader: in order, and nothing may be left over. */
  class Reader {
    constructor(b) { this.b = b; this.at = 0; }
    take(n) {
      if (this.at + n > this.b.length) throw new Error("cut off");
      return this.b.subarray(this.at, (this.at += n));
    }
    u(size) { return Number(big(this.take(size))); }
    var(size) { return this.take(this.u(size)); }
    left() { return this.b.length - this.at; }
    end() { if (this.left()) throw new Error("bytes are left over"); }
  }

  // ---- BLAKE2b-256, 64-bit words as BigInt
  const M64 = (1n << 64n) - 1n;
  const IV = [0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
    0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n];
  const SIGMA = ["0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8",
    "905724afe1bc683d", "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a",
    "6fe9b308c2d714a5", "a2847615fb9e3cd0", "0123456789abcdef", "ea489fd61c02b753"];
  const MIX = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15], [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];
  const words = (b) => {
    const view = new DataView(b.buffer, b.byteOffset, b.length);
    return Array.from({length: b.length / 8}, (_, i) => view.getBigUint64(8 * i, true));
  };
  const rotr = (x, n) => ((x >> n) | (x << (64n - n))) & M64;
  const compress = (h, block, count, last) => {
    const v = [...h, ...IV], m = words(block);
    v[12] ^= count; if (last) v[14] ^= M64;
    for (const s of SIGMA)
      MIX.forEach(([a, b, c, d], i) => {
        v[a] = (v[a] + v[b] + m[parseInt(s[2 * i], 16)]) & M64; v[d] = rotr(v[d] ^ v[a], 32n);
        v[c] = (v[c] + v[d]) & M64; v[b] = rotr(v[b] ^ v[c], 24n);
        v[a] = (v[a] + v[b] + m[parseInt(s[2 * i + 1], 16)]) & M64; v[d] = rotr(v[d] ^ v[a], 16n);
        v[c] = (v[c] + v[d]) & M64; v[b] = rotr(v[b] ^ v[c], 63n);
      });
    h.forEach((x, i) => { h[i] = x ^ v[i] ^ v[i + 8]; });
  };
  /* H(tag, parts...) of doc/crypto.md. */
  const H = (tag, ...parts) => {
    const param = new Uint8Array(64), data = join(...parts);
    param.set([32, 0, 1, 1]); param.set(text(tag), 48);
    const h = words(param).map((p, i) => p ^ IV[i]);
    for (let at = 0; ; at += 128) {
      const last = data.length - at <= 128, block = new Uint8Array(128);
      block.set(data.subarray(at, at + 128));
      compress(h, block, BigInt(last ? data.length : at + 128), last);
      if (last) break;
    }
    const out = new Uint8Array(32), view = new DataView(out.buffer);
    for (let i = 0; i < 4; i++) view.setBigUint64(8 * i, h[i], true);
    return out;
  };

  // ---- SHA-256, for BIP 340's challenge
  const primes = []; for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  /* The first 32 bits of the fraction of the n-th root, in integers: no rounding anywhere. */
  const root = (p, n) => {
    let lo = 0n, hi = 1n << 40n; const want = BigInt(p) << (32n * n);
    while (lo + 1n < hi) { const mid = (lo + hi) >> 1n; if (mid ** n <= want) lo = mid; else hi = mid; }
    return Number(lo & 0xffffffffn);
  };
  const K256 = primes.map((p) => root(p, 3n)), I256 = primes.slice(0, 8).map((p) => root(p, 2n));
  const sha256 = (data) => {
    const padded = new Uint8Array(Math.ceil((data.length + 9) / 64) * 64), view = new DataView(padded.buffer);
    padded.set(data); padded[data.length] = 0x80; view.setUint32(padded.length - 4, data.length * 8);
    const h = [...I256], w = new Array(64), r = (x, n) => (x >>> n) | (x << (32 - n));
    for (let at = 0; at < padded.length; at += 64) {
      for (let i = 0; i < 64; i++)
        w[i] = i < 16 ? view.getUint32(at + 4 * i)
          : (w[i - 16] + w[i - 7] + (r(w[i - 15], 7) ^ r(w[i - 15], 18) ^ (w[i - 15] >>> 3)) + (r(w[i - 2], 17) ^ r(w[i - 2], 19) ^ (w[i - 2] >>> 10))) | 0;
      let [a, b, c, d, e, f, g, k] = h;
      for (let i = 0; i < 64; i++) {
        const t = (k + (r(e, 6) ^ r(e, 11) ^ r(e, 25)) + ((e & f) ^ (~e & g)) + K256[i] + w[i]) | 0;
        const u = ((r(a, 2) ^ r(a, 13) ^ r(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        [k, g, f, e, d, c, b, a] = [g, f, e, (d + t) | 0, c, b, a, (t + u) | 0];
      }
      [a, b, c, d, e, f, g, k].forEach((x, i) => { h[i] = (h[i] + x) | 0; });
    }
    return join(...h.map((x) => number(x >>> 0, 4)));
  };

  // ---- BIP 340 over secp256k1, Jacobian coordinates
  const P = 2n ** 256n - 2n ** 32n - 977n, N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const G = [0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n, 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n, 1n];
  const mod = (x) => { const r = x % P; return r < 0n ? r + P : r; };
  const power = (x, e) => { let r = 1n; for (x = mod(x); e > 0n; e >>= 1n) { if (e & 1n) r = r * x % P; x = x * x % P; } return r; };
  const twice = ([x, y, z]) => {
    if (!z || !y) return [0n, 1n, 0n];
    const a = x * x % P, b = y * y % P, c = b * b % P, d = mod(2n * ((x + b) * (x + b) - a - c)), e = 3n * a, x3 = mod(e * e - 2n * d);
    return [x3, mod(e * (d - x3) - 8n * c), 2n * y * z % P];
  };
  const plus = (p, q) => {
    if (!p[2]) return q;
    if (!q[2]) return p;
    const z1 = p[2] * p[2] % P, z2 = q[2] * q[2] % P, u1 = p[0] * z2 % P, u2 = q[0] * z1 % P;
    const s1 = p[1] * z2 % P * q[2] % P, s2 = q[1] * z1 % P * p[2] % P, h = mod(u2 - u1), r = mod(s2 - s1);
    if (!h) return r ? [0n, 1n, 0n] : twice(p);
    const h2 = h * h % P, h3 = h2 * h % P, v = u1 * h2 % P, x = mod(r * r - h3 - 2n * v);
    return [x, mod(r * (v - x) - s1 * h3), h * p[2] % P * q[2] % P];
  };
  const sum = (a, p, b, q) => { // a*p + b*q, both at once
    const both = plus(p, q);
    let out = [0n, 1n, 0n];
    for (let i = 255n; i >= 0n; i--) {
      const x = a >> i & 1n, y = b >> i & 1n;
      out = twice(out);
      if (x || y) out = plus(out, x ? (y ? both : p) : q);
    }
    return out;
  };
  const lift = (x) => {
    if (x >= P) return null;
    const c = (x * x * x + 7n) % P, y = power(c, (P + 1n) / 4n);
    return y * y % P === c ? [x, y & 1n ? P - y : y, 1n] : null;
  };
  const challengeTag = sha256(text("BIP0340/challenge"));
  const schnorr = (key, msg, sig) => {
    const point = lift(big(key)), r = big(sig.subarray(0, 32)), s = big(sig.subarray(32, 64));
    if (!point || r >= P || s >= N || sig.length !== 64) return false;
    const e = big(sha256(join(challengeTag, challengeTag, sig.subarray(0, 32), key, msg))) % N;
    const out = sum(s, G, (N - e) % N, point);
    if (!out[2]) return false;
    const zi = power(out[2], P - 2n), zi2 = zi * zi % P;
    return out[0] * zi2 % P === r && !(out[1] * zi2 % P * zi % P & 1n);
  };

  // ---- trees
  const bit = (key, d) => key[d >> 3] >> (7 - (d & 7)) & 1;
  /* The leaf (key, value hash) is in the state tree with this root; value null: nothing is there under the key. */
  const state = (path, key, value, root) => {
    const rd = new Reader(path), end = rd.u(1), depth = rd.u(1), bitmap = rd.take((depth + 7) >> 3), siblings = [];
    for (let d = 0; d < 8 * bitmap.length; d++) {
      if (bit(bitmap, d) && d >= depth) throw new Error("a bit too many");
      if (d < depth) siblings.push(bit(bitmap, d) ? rd.take(32) : new Uint8Array(32));
      if (bit(bitmap, d) && siblings[d].every((x) => !x)) throw new Error("an empty sibling is written out");
    }
    let hash;
    if (end === 0 && !value) hash = new Uint8Array(32);
    else if (end === 1 && value) hash = H("lx.sleaf", key, value);
    else if (end === 2 && !value) {
      const other = rd.take(32);
      hash = H("lx.sleaf", other, rd.take(32));
      if (same(other, key)) throw new Error("the key is there");
      for (let d = 0; d < depth; d++) if (bit(other, d) !== bit(key, d)) throw new Error("another leaf stands elsewhere");
    } else throw new Error(value ? "the proof ends without this leaf" : "the proof ends with a leaf of this key");
    rd.end();
    for (let d = depth - 1; d >= 0; d--) hash = bit(key, d) ? H("lx.snode", siblings[d], hash) : H("lx.snode", hash, siblings[d]);
    if (!same(hash, root)) throw new Error("the path does not lead to the root");
  };
  /* Leaf number @index of @size: RFC 9162 2.1.3.2. */
  const log = (leaf, index, size, path, root) => {
    if (index >= size) throw new Error("the leaf is outside of the tree");
    let fn = BigInt(index), sn = BigInt(size) - 1n, r = leaf;
    for (const p of path) {
      if (sn === 0n) throw new Error("the path is too long");
      if (fn & 1n || fn === sn) {
        r = H("lx.node", p, r);
        while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
      } else r = H("lx.node", r, p);
      fn >>= 1n; sn >>= 1n;
    }
    if (sn !== 0n || !same(r, root)) throw new Error("the path does not lead to the root");
  };
  const logLeaf = (data) => H("lx.leaf", data);

  // ---- headers, sets, certificates
  const header = (bytes) => {
    const rd = new Reader(bytes), h = {rules: rd.u(2), chain: rd.take(32), height: rd.u(8), time: rd.u(8), previous: rd.take(32), txRoot: rd.take(32),
      stateRoot: rd.take(32), historyRoot: rd.take(32), valset: rd.take(32), nextValset: rd.take(32)};
    rd.end();
    if (!h.rules) throw new Error("a header without rules");
    return {...h, hash: H("lx.header", bytes)};
  };
  const valset = (bytes) => {
    const rd = new Reader(bytes), list = [];
    for (let n = rd.u(2); n > 0; n--) list.push({key: rd.take(32), power: big(rd.take(8)), name: new TextDecoder().decode(rd.var(1))});
    rd.end();
    return {list, total: list.reduce((n, v) => n + v.power, 0n), hash: H("lx.valset", bytes)};
  };
  /* Who signed header @h: checks every signature of the certificate, and that they are more than two thirds. */
  const certificate = (h, set, bytes) => {
    if (!same(set.hash, h.valset)) throw new Error("the set is not the one that the header names");
    const rd = new Reader(bytes), round = rd.u(4), bitmap = rd.take((set.list.length + 7) >> 3), signed = set.list.filter((_, i) => bit(bitmap, i));
    for (let i = set.list.length; i < 8 * bitmap.length; i++) if (bit(bitmap, i)) throw new Error("a signer too many");
    if (rd.left() !== 64 * signed.length) throw new Error("the certificate's signatures are aggregated or cut off: not checked here");
    const msg = H("lx.vote", number(2, 1), h.chain, number(h.height, 8), number(round, 4), h.hash);
    for (const v of signed) if (!schnorr(v.key, msg, rd.take(64))) throw new Error(`the signature of ${v.name || hex(v.key)} does not hold`);
    const power = signed.reduce((n, v) => n + v.power, 0n);
    if (3n * power <= 2n * set.total) throw new Error("not more than two thirds signed");
    return {round, signed, power};
  };

  // ---- state
  const stateKey = (kind, key) => H("lx.skey", number(kind, 1), key);
  const stateValue = (value) => H("lx.value", value);
  const address = (type, key) => join(number(type, 1), H("lx.addr", number(type, 1), key).subarray(0, 31));
  const register = (bytes) => {
    const rd = new Reader(bytes);
    if (rd.u(1) !== 1) throw new Error("another encoding of registers");
    const r = {type: rd.u(1), flags: rd.u(1), owner: rd.take(32), created: rd.u(8), modified: rd.u(8), pending: rd.take(32), data: rd.var(2)};
    rd.end();
    return r;
  };
  const object = (bytes) => {
    const rd = new Reader(bytes), fields = {};
    for (let n = rd.u(1); n > 0; n--) {
      const name = new TextDecoder().decode(rd.var(1)), type = rd.u(1) & 15;
      fields[name] = type === 1 ? big(rd.take(8)).toString() : type === 2 || type === 5 ? hex(rd.take(32))
        : type === 3 ? hex(rd.var(2)) : type === 4 ? new TextDecoder().decode(rd.var(2)) : type === 6 ? Boolean(rd.u(1)) : (() => { throw new Error("another type of field"); })();
    }
    rd.end();
    return fields;
  };
  const entry = (bytes) => {
    const rd = new Reader(bytes), e = {path: new TextDecoder().decode(rd.var(2)), size: rd.u(8), mode: rd.u(4), root: hex(rd.take(32)), sha256: hex(rd.take(32)), fsverity: hex(rd.take(32))};
    rd.end();
    return e;
  };
  return {unhex, hex, text, join, same, number, H, sha256, schnorr, state, log, logLeaf, header, valset, certificate, stateKey, stateValue, address, register, object, entry};
})();
if (typeof module !== "undefined") module.exports = Proof;
