/*
 * page.js - the page of a node: what it says (server-sent events, JSON-RPC), and what of it is checked here (proof.js).
 * Text of others goes into the page as text alone, never as markup.
 */
"use strict";
const $ = (id) => document.getElementById(id);
const say = (id, text, cls) => { const e = $(id); if (e.textContent !== String(text)) e.textContent = text; if (cls !== undefined) e.className = cls; };
const make = (tag, cls, ...content) => { const e = document.createElement(tag); if (cls) e.className = cls; e.append(...content); return e; };
const svg = (tag, attrs, text) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const k in attrs) e.setAttribute(k, attrs[k]);
  if (text !== undefined) e.textContent = text;
  return e;
};
const bytes = (n) => { for (const u of ["B", "KiB", "MiB", "GiB", "TiB"]) { if (n < 1024 || u === "TiB") return (u === "B" ? n : n.toFixed(n < 10 ? 1 : 0)) + " " + u; n /= 1024; } };
const span = (s) => s < 100 ? Math.max(0, Math.round(s)) + " s" : s < 6000 ? Math.round(s / 60) + " min" : s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
const short = (h) => h.length > 20 ? h.slice(0, 8) + "…" + h.slice(-6) : h;

/* ---- asking the node ---------------------------------------------------------------------------- */

const ask = async (calls) => {
  const body = calls.map(([method, params], id) => ({jsonrpc: "2.0", id, method, params: params || {}}));
  const answer = await fetch("rpc", {method: "POST", body: JSON.stringify(body), headers: {"Content-Type": "application/json"}});
  if (!answer.ok) throw new Error("the node answers " + answer.status);
  const list = await answer.json(), out = [];
  for (const a of list) out[a.id] = a.error ? {error: a.error.message} : a.result;
  return out;
};
const one = async (method, params) => { const [r] = await ask([[method, params]]); if (r.error) throw new Error(r.error); return r; };

/* ---- charts ------------------------------------------------------------------------------------- */

const blocks = []; // {height, time, rounds}
const pool = [];   // {t, count}
const chart = (box, values, label) => { // values: [{a, b, title}]
  const w = box.clientWidth || 600, h = box.clientHeight || 140, top = Math.max(1, ...values.map((v) => v.a)), s = svg("svg", {viewBox: `0 0 ${w} ${h}`});
  const step = (w - 40) / Math.max(30, values.length);
  s.append(svg("line", {x1: 34, x2: w, y1: h - 14, y2: h - 14, class: "axis"}), svg("text", {x: 0, y: 12}, label(top)), svg("text", {x: 0, y: h - 14}, "0"));
  values.forEach((v, i) => {
    const bar = svg("rect", {x: 36 + i * step, width: Math.max(1, step - 2), height: Math.max(1, (h - 26) * v.a / top), y: h - 14 - Math.max(1, (h - 26) * v.a / top), class: v.b ? "bar2" : "bar1"});
    bar.append(svg("title", {}, v.title));
    s.append(bar);
  });
  if (values.length) s.append(svg("text", {x: 36, y: h - 1}, values[0].from), svg("text", {x: Math.max(110, 34 + values.length * step), y: h - 1, "text-anchor": "end"}, values[values.length - 1].from));
  box.replaceChildren(s);
};
const drawBlocks = () => {
  const list = blocks.slice(-60).map((b, i, all) => {
    const before = i ? all[i - 1] : blocks[blocks.length - all.length - 1], gap = before && before.height === b.height - 1 ? (b.time - before.time) / 1000 : 0;
    return {a: gap, b: b.rounds > 0, from: b.height, title: `block ${b.height}: ${gap.toFixed(1)} s after the one before, round ${b.rounds}`};
  }).slice(1);
  chart($("chart"), list, (v) => v.toFixed(v < 10 ? 1 : 0) + " s");
  say("blocknote", list.length ? `the last ${list.length}` : "none yet");
};
const drawPool = () => chart($("memchart"), pool.map((p) => ({a: p.count, from: p.t, title: `${p.t}: ${p.count} wait`})), (v) => v);

/* ---- what the node says ------------------------------------------------------------------------- */

let status = null, sets = {}, rates = null;
const cells = (table, rows) => {
  const body = table.tBodies[0];
  body.replaceChildren(...rows.map((row) => {
    const tr = document.createElement("tr");
    for (const c of row) tr.append(c instanceof Node ? c : make("td", typeof c === "number" ? "n" : "", String(c)));
    return tr;
  }));
  if (!rows.length) { const td = make("td", "", "none"); td.colSpan = table.tHead.rows[0].cells.length; body.append(make("tr", "", td)); }
};
const td = (cls, text, title) => { const e = make("td", cls, text); if (title) e.title = title; return e; };
const showAge = () => {
  if (!status) return;
  const age = (Date.now() - Date.parse(status.time)) / 1000;
  say("age", status.height ? span(age) : "–");
};
const showStatus = (o) => {
  const first = !status, grown = status && o.height > status.height;
  status = o;
  say("network", o.network); say("what", `lxnoded ${o.version}, ${o.engine}${o.validator ? ", validator" : ""}`);
  document.title = `${o.height} ${o.network}`;
  say("ready", o.ready ? "yes" : "no", o.ready ? "good" : "bad");
  say("height", o.height);
  say("round", o.consensus ? o.consensus.round : "–");
  say("step", o.consensus && o.engine === "bft" ? `round, ${o.consensus.step}` : "round");
  say("signers", o.certificate ? `${o.certificate.signers} of ${o.certificate.of}` : "–");
  say("peercount", `${o.peers.inbound}, ${o.peers.outbound}`);
  say("waiting", o.mempool.count);
  say("disk", bytes(o.store.disk_bytes));
  say("id", `Chain ${short(o.chain_id)}, up since ${new Date(Date.now() - (o.uptime_ms || 0)).toLocaleString()}.`.replace(/, up.*/, "."));
  const notes = [...o.reasons];
  if (o.upgrade_from) notes.push(`upgraded from ${o.upgrade_from} to ${o.version}; the next start confirms it, until then lxnoded --rollback goes back`);
  $("warnings").hidden = !notes.length;
  $("warnings").replaceChildren(...notes.map((n) => make("p", "warn", n)));
  pool.push({t: new Date().toLocaleTimeString(), count: o.mempool.count});
  if (pool.length > 120) pool.shift();
  say("memnote", `${o.mempool.count} transactions, ${bytes(o.mempool.bytes)}`);
  drawPool(); showAge();
  if (first || grown) loadBlocks();
  if (first) look();
};
const loadBlocks = async () => {
  const tip = status.height, have = blocks.length ? blocks[blocks.length - 1].height : Math.max(0, tip - 61);
  try {
    const from = Math.max(have + (blocks.length ? 1 : 0), tip - 61), answer = await one("chain.headers", {from, count: Math.min(500, tip - from + 1)});
    for (const item of answer.headers) {
      const h = Proof.header(Proof.unhex(item.header));
      if (item.valset) sets[Proof.hex(h.valset)] = Proof.valset(Proof.unhex(item.valset));
      if (!blocks.length || blocks[blocks.length - 1].height < h.height)
        blocks.push({height: h.height, time: h.time, rounds: h.height ? parseInt((item.cert || "00000000").slice(0, 8), 16) : 0, set: Proof.hex(h.valset)});
    }
    if (blocks.length > 200) blocks.splice(0, blocks.length - 200);
    drawBlocks(); showValidators();
  } catch (e) { say("blocknote", e.message); }
};
const showValidators = () => {
  const set = blocks.length && sets[blocks[blocks.length - 1].set], missing = (status.certificate || {missing: []}).missing;
  if (!set) return;
  say("valnote", `${set.list.length}, power ${set.total}`);
  cells($("validators"), set.list.map((v) => {
    const key = Proof.hex(v.key), away = missing.includes(v.name || key);
    return [td("", v.name || short(key), key), td("n", String(v.power)), td(status.height === 0 ? "" : away ? "warn" : "good", status.height === 0 ? "–" : away ? "not in the certificate" : "signed")];
  }));
};
/* What is not in the events: asked for when something happened, or every few seconds while somebody looks. */
const look = async () => {
  if (document.hidden || !status) return;
  const [peers, routes, guard] = await ask([["peer.list"], status.router ? ["route.list"] : ["guard.status"], ["guard.status"]]).catch(() => [{}, {}, {}]);
  if (peers.peers) cells($("peers"), peers.peers.map((p) => [td("mono", short(p.id || "?"), p.id), p.address || "", p.direction || "", td("n", String(p.height ?? "")),
    td("n", String(p.latency_ms ?? "")), td("n", bytes(p.bytes_in ?? 0)), td("n", bytes(p.bytes_out ?? 0))]));
  $("overlay").hidden = !status.router;
  if (routes.routes) await showRoutes(routes.routes);
  $("guard").hidden = !guard.guard;
  if (guard.guard) showGuard(guard.guard);
};
const showRoutes = async (routes) => {
  const metrics = await fetch("metrics").then((r) => r.text()).catch(() => ""), read = (n) => Number((metrics.match(new RegExp(`^lxnoded_router_${n} (\\d+)`, "m")) || [0, 0])[1]);
  const now = {t: Date.now(), out: read("encapsulated_bytes_total"), in: read("decapsulated_bytes_total")};
  const per = rates && now.t > rates.t ? (k) => bytes(Math.max(0, now[k] - rates[k]) * 1000 / (now.t - rates.t)) + "/s" : () => "–";
  say("overlaynote", `${routes.length} routes; out ${per("out")}, in ${per("in")}`);
  rates = now;
  cells($("routes"), routes.slice(0, 500).map((r) => [td("mono", r.iid ? `[${r.iid}]${r.prefix}` : r.prefix), r.source, td("mono", r.rlocs.join(" ") || "–"), r.ttl]));
  const w = 400, h = 288, s = svg("svg", {viewBox: `0 0 ${w} ${h}`}), shown = routes.slice(0, 48);
  shown.forEach((r, i) => {
    const a = 2 * Math.PI * i / shown.length - Math.PI / 2, far = shown.length > 16 && i % 2 ? .72 : 1, x = w / 2 + Math.cos(a) * 150 * far, y = h / 2 + Math.sin(a) * 110 * far;
    const dot = svg("circle", {cx: x, cy: y, r: 5 + Math.min(4, r.rlocs.length), class: `site ${r.source}`});
    dot.append(svg("title", {}, `${r.prefix}: ${r.source}, ${r.rlocs.join(" ") || "no RLOC"}`));
    if (r.rlocs.length) s.append(svg("line", {x1: w / 2, y1: h / 2, x2: x, y2: y, class: "link"}));
    s.append(dot);
    if (shown.length <= 16) s.append(svg("text", {x, y: y + (y < h / 2 ? -12 : 20), "text-anchor": "middle"}, r.prefix.length > 22 ? r.prefix.slice(0, 10) + "…" + r.prefix.slice(-9) : r.prefix));
  });
  s.append(svg("circle", {cx: w / 2, cy: h / 2, r: 10, class: "site local"}), svg("text", {x: w / 2, y: h / 2 + 24, "text-anchor": "middle"}, "this node"));
  $("map").replaceChildren(s);
};
const showGuard = (g) => {
  const late = g.told_ms > 60000;
  say("guardnote", `${g.mode}; ${g.entries} programs may run; ${g.judged} judged, ${g.denied} denied, ${g.would_deny} only logged; lists ${span(g.age)} old` +
    (late ? `; SILENT for ${span(g.told_ms / 1000)}` : ""), late ? "bad" : "");
  cells($("findings"), g.findings.slice().reverse().map((f) => [f.time || "", td(f.verdict === "denied" ? "bad" : "warn", f.verdict || ""), f.rule || "", td("mono", f.path || "", f.digest), td("mono", f.exe || "")]));
};

/* ---- what is checked here ----------------------------------------------------------------------- */

const trustName = () => `lxnoded.trust.${status.chain_id}`;
const loadTrust = () => { try { return JSON.parse(localStorage.getItem(trustName())); } catch { return null; } };
const saveTrust = (t) => { try { localStorage.setItem(trustName(), JSON.stringify(t)); } catch { /* private window: first seen each time */ } };

/* Header, certificate and set of an answer, by the skip rule from what this browser trusts. Steps are what a person reads. */
const checkHead = (proof, steps) => {
  const h = Proof.header(Proof.unhex(proof.header)), set = Proof.valset(Proof.unhex(proof.valset)), trust = loadTrust();
  if (Proof.hex(h.chain) !== status.chain_id) throw new Error("a header of another chain");
  if (h.height === 0) { steps.push(["warn", "The chain's first header follows from its genesis document alone; nobody signed it."]); return h; }
  const cert = Proof.certificate(h, set, Proof.unhex(proof.cert));
  steps.push(["", `Header ${h.height}: ${cert.signed.length} of ${set.list.length} signatures hold (BIP 340), power ${cert.power} of ${set.total}.`]);
  const next = Proof.same(h.nextValset, h.valset) ? proof.valset : null;
  if (!trust) {
    steps.push(["warn", `These validators are trusted from now on: this browser sees the chain for the first time.`]);
    if (next) saveTrust({height: h.height, hash: Proof.hex(h.hash), next, seen: new Date().toISOString()});
    return h;
  }
  const known = Proof.valset(Proof.unhex(trust.next));
  if (h.height === trust.height && Proof.hex(h.hash) !== trust.hash) throw new Error(`FORK: another header ${h.height} was signed before`);
  if (Proof.same(known.hash, set.hash)) steps.push(["", `They are the validators trusted since height ${trust.height} (${trust.seen.slice(0, 10)}).`]);
  else {
    const power = cert.signed.reduce((n, v) => n + (known.list.find((k) => Proof.same(k.key, v.key)) || {power: 0n}).power, 0n);
    if (3n * power <= known.total) throw new Error(`the validators have changed too much since height ${trust.height}: look with lx --verify, then forget them here`);
    steps.push(["", `The set has changed; more than a third of the one trusted since height ${trust.height} signed too.`]);
  }
  if (next && h.height > trust.height) saveTrust({height: h.height, hash: Proof.hex(h.hash), next, seen: trust.seen});
  return h;
};
const stateItem = (proof, kind, key) => (proof.state || []).find((s) => s.kind === kind && s.key === Proof.hex(key));
/* The proven value under (kind, key): bytes, or null when it is proven that there is none. */
const checkState = (proof, head, kind, key) => {
  const item = stateItem(proof, kind, key);
  if (!item) throw new Error("the answer lacks a proof");
  const value = item.value ? Proof.unhex(item.value) : null;
  Proof.state(Proof.unhex(item.path), Proof.stateKey(kind, key), value && Proof.stateValue(value), head.stateRoot);
  return value;
};
const STANDARDS = {1: "object", 2: "raw", 3: "readonly", 4: "append", 16: "crypto", 17: "name", 18: "namespace", 19: "token", 20: "account", 21: "release", 22: "index", 23: "approval", 24: "file",
  25: "eid", 26: "prefix", 27: "node", 28: "device", 29: "validator"};
const readRegister = (value) => {
  const r = Proof.register(value), out = {standard: STANDARDS[r.type] || r.type, owner: Proof.hex(r.owner), created: r.created, modified: r.modified};
  if (r.pending.some((x) => x)) out["offered to"] = Proof.hex(r.pending);
  if (r.type >= 5 || r.type === 1) Object.assign(out, Proof.object(r.data)); else out.data = Proof.hex(r.data);
  return out;
};
const findRegister = async (address, what, show) => {
  const a = await one("register.get", {address: Proof.hex(address), prove: true}), steps = [], head = checkHead(a.proof, steps), value = checkState(a.proof, head, 1, address);
  steps.push(["", value ? "Its path in the state tree leads to that header's state root." : "It is proven absent: the path ends where it would be."]);
  show(what, value ? {address: Proof.hex(address), ...readRegister(value)} : {address: Proof.hex(address), found: "no, and that is proven"}, steps);
  return Boolean(value);
};
const findDigest = async (digest, show) => {
  const a = await one("binary.lookup", {digest, prove: true});
  if (!a.found) return false;
  for (const m of a.matches) {
    const steps = [], head = checkHead(a.proof, steps), publisher = Proof.unhex(m.publisher), d = Proof.unhex(digest);
    const index = Proof.object(Proof.register(checkState(a.proof, head, 1, Proof.address(22, publisher))).data);
    const item = a.proof.index.find((x) => x.publisher === m.publisher && x.digest === digest);
    Proof.state(Proof.unhex(item.path), d, Proof.H("lx.value", Proof.unhex(m.release), Proof.number(m.entry, 4)), Proof.unhex(index.root));
    steps.push(["", "The publisher's index, a register in the state, leads from the digest to this release."]);
    const release = Proof.register(checkState(a.proof, head, 1, Proof.unhex(m.release))), fields = Proof.object(release.data), raw = a.proof.entries.find((x) => x.release === m.release);
    Proof.log(Proof.logLeaf(Proof.unhex(raw.bytes)), m.entry, Number(fields.entries), raw.path.map(Proof.unhex), Proof.unhex(fields.manifest));
    const e = Proof.entry(Proof.unhex(raw.bytes));
    if (![e.root, e.sha256, e.fsverity].includes(digest) || !Proof.same(release.owner, publisher)) throw new Error("the proven entry has another digest or owner");
    steps.push(["", `Entry ${m.entry} is in the release's manifest, with all three digests.`]);
    const revoked = [e.root, e.sha256, e.fsverity].some((x) => checkState(a.proof, head, 5, Proof.join(publisher, Proof.unhex(x))));
    steps.push([revoked ? "bad" : "", revoked ? "The publisher has REVOKED it." : "It is proven that the publisher has not revoked it."]);
    show(`Published as ${e.path}`, {publisher: m.publisher, release: `${fields.name} ${fields.version}`, path: e.path, size: e.size, revoked: revoked ? "YES" : "no", root: e.root, "SHA-256": e.sha256, "fs-verity": e.fsverity}, steps);
  }
  return true;
};
const findTx = async (id, show) => {
  const a = await one("chain.tx", {id, prove: true}).catch(() => null), steps = [];
  if (!a) return false;
  if (a.status === "final" && a.proof && a.proof.tx) {
    const head = checkHead(a.proof, steps), t = a.proof.tx;
    Proof.log(Proof.logLeaf(Proof.unhex(id)), t.index, t.count, t.path.map(Proof.unhex), head.txRoot);
    steps.push(["", `Transaction ${t.index} of ${t.count} of that block: its path leads to the transactions root.`]);
  } else steps.push(["warn", "It waits: nothing is proven yet."]);
  show("Transaction", {id, status: a.status, height: a.height ?? "–", chain: a.fields.genesis, sequence: a.fields.sequence, operations: a.fields.operations.map((o) => o.type).join(", ")}, steps);
  return true;
};
const findHeight = async (height, show) => {
  const a = await one("chain.header", {height}), steps = [], h = Proof.header(Proof.unhex(a.header));
  if (height < status.height) {
    const [tip, anc] = await ask([["chain.header"], ["chain.ancestor", {height}]]);
    if (anc.error) throw new Error(anc.error);
    const head = checkHead(tip, steps);
    if (head.height !== anc.size) throw new Error("the chain went on meanwhile: ask again");
    Proof.log(Proof.logLeaf(h.hash), height, anc.size, anc.path.map(Proof.unhex), head.historyRoot);
    steps.push(["", "This header's path leads to that header's history root."]);
  } else checkHead(a, steps);
  show(`Block ${height}`, {hash: Proof.hex(h.hash), time: new Date(h.time).toISOString(), transactions: a.tx_count, rules: h.rules, "state root": Proof.hex(h.stateRoot), "previous hash": Proof.hex(h.previous)}, steps);
};
const ip6 = (s) => { // an EID's 16 bytes
  const [a, b] = s.split("::"), left = a ? a.split(":") : [], right = b === undefined ? [] : b ? b.split(":") : [], gap = 8 - left.length - right.length;
  if (s.split("::").length > 2 || (b === undefined ? gap !== 0 : gap < 0)) throw new Error("no address");
  return Proof.join(...[...left, ...Array(b === undefined ? 0 : gap).fill("0"), ...right].map((g) => { if (!/^[0-9a-f]{1,4}$/i.test(g)) throw new Error("no address"); return Proof.number(parseInt(g, 16), 2); }));
};
const find = async (q, show) => {
  if (/^\d{1,15}$/.test(q)) return findHeight(Number(q), show);
  if (/^[0-9a-f]{64}$/i.test(q)) {
    q = q.toLowerCase();
    if (await findDigest(q, show) || await findTx(q, show)) return undefined;
    const chain = await one("profile.get", {genesis: q}).catch(() => ({}));
    if (chain.exists) return show("Signature chain", {genesis: q, transactions: chain.sequence, created: chain.created, modified: chain.modified}, [["warn", "Shown as the node says it; lx --verify profile show proves it."]]);
    return findRegister(Proof.unhex(q), "Register", show);
  }
  if (q.includes(":")) {
    const m = q.match(/^(?:\[(\d+)\])?([0-9a-f:]+)$/i);
    if (!m) throw new Error("no address");
    return findRegister(Proof.address(25, Proof.join(Proof.number(m[1] || 0, 4), ip6(m[2]))), `EID ${q}`, show);
  }
  return findRegister(Proof.address(17, Proof.text(q)), `Name ${q}`, show);
};

/* ---- searching ---------------------------------------------------------------------------------- */

const close = () => { $("found").hidden = true; $("found").replaceChildren(); };
const show = (title, fields, steps) => {
  const dl = make("dl"), button = make("button", "close", "Close"), bad = steps.some((s) => s[0] === "bad"), firm = steps.length && !steps.some((s) => s[0] === "warn");
  button.type = "button"; button.onclick = close;
  for (const k in fields) dl.append(make("dt", "", k), make("dd", /^[0-9a-f]{40,}$/.test(fields[k]) ? "mono" : "", String(fields[k])));
  $("found").append(make("h2", "", title, " ", make("small", bad ? "bad" : firm ? "good" : "warn", bad ? "look closely" : firm ? "checked in this browser" : "")), button, dl,
    make("ol", "proof", ...steps.map(([cls, t]) => make("li", cls, t))));
  $("found").hidden = false;
};
$("search").onsubmit = async (event) => {
  event.preventDefault();
  const q = $("q").value.trim();
  close();
  if (!q || !status) return;
  try { await find(q, show); } catch (e) { show(`“${q}”`, {}, [["bad", e.message]]); }
  $("found").tabIndex = -1; $("found").focus(); $("found").scrollIntoView({block: "nearest"});
};
$("forget").onclick = () => { localStorage.removeItem(trustName()); say("live", "forgotten: the next search sees the validators for the first time"); };
document.addEventListener("keydown", (e) => {
  if (e.key === "/" && document.activeElement !== $("q")) { e.preventDefault(); $("q").focus(); $("q").select(); }
  if (e.key === "Escape") close();
});

/* ---- live --------------------------------------------------------------------------------------- */

let source = null;
const listen = () => {
  if (source) source.close();
  source = new EventSource("events");
  source.onopen = () => say("live", "live", "on");
  source.onmessage = (e) => { say("live", "live", "on"); showStatus(JSON.parse(e.data)); };
  source.onerror = () => say("live", "the node does not answer; trying again", "off");
};
document.addEventListener("visibilitychange", () => { if (document.hidden) { source.close(); source = null; } else { listen(); look(); } });
addEventListener("resize", () => { drawBlocks(); drawPool(); });
setInterval(showAge, 1000);
setInterval(() => look().catch(() => {}), 5000);
listen();
