// node browser.js CHROMIUM BASE DIR: the page in a real browser. DIR has cookie, what.json (what is on the chain) and takes
// screenshots; commands that make blocks are run through DIR/lx. NODE_PATH has playwright-core.
"use strict";
const fs = require("fs"), {execFileSync} = require("child_process"), {chromium} = require("playwright-core");
const [, , program, base, dir] = process.argv;
const [username, password] = fs.readFileSync(`${dir}/cookie`, "utf8").trim().split(":"), what = JSON.parse(fs.readFileSync(`${dir}/what.json`, "utf8"));
const lx = (...args) => execFileSync(`${dir}/lx`, args, {encoding: "utf8", stdio: ["ignore", "pipe", "ignore"]});
// The page's policy forbids eval, which waitForFunction is made of.
const until = async (page, condition, arg) => {
  for (let i = 0; i < 600; i++) { if (await page.evaluate(condition, arg)) return; await page.waitForTimeout(100); }
  throw new Error(`never: ${condition}`);
};
let passed = 0;
const must = (ok, text) => { if (!ok) throw new Error(text); passed++; };
const figures = {};

(async () => {
  const browser = await chromium.launch({executablePath: program, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]});
  const open = async (options) => {
    const context = await browser.newContext({httpCredentials: {username, password}, viewport: {width: 1280, height: 900}, ...options}), page = await context.newPage(), seen = {hosts: new Set(), bytes: 0, bad: []};
    page.setDefaultTimeout(60000);
    page.on("request", (r) => { if (!r.url().startsWith("data:")) seen.hosts.add(new URL(r.url()).host); });
    page.on("response", async (r) => { if (/\.(js|css)$|\/$/.test(new URL(r.url()).pathname)) seen.bytes += (await r.body().catch(() => "")).length; });
    page.on("pageerror", (e) => seen.bad.push(e.message));
    page.on("console", (m) => { if (m.type() === "error") seen.bad.push(m.text()); });
    return {context, page, seen};
  };
  const live = (page) => until(page, () => document.getElementById("live").className === "on" && document.getElementById("height").textContent !== "–");
  const paint = (page) => page.evaluate(() => new Promise((done) => new PerformanceObserver((l, o) => { o.disconnect(); done(l.getEntries().pop().startTime); }).observe({type: "paint", buffered: true})));
  const search = async (page, q) => {
    await page.keyboard.press("/");
    must(await page.evaluate(() => document.activeElement.id === "q"), "/ does not go to the search");
    await page.fill("#q", q);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#found:not([hidden]) h2");
    return page.textContent("#found");
  };

  // Light, on a desk.
  let {context, page, seen} = await open({colorScheme: "light"});
  await page.goto(base, {waitUntil: "load"});
  await live(page);
  figures.first_paint_ms = Math.round(await paint(page));
  must(Number(await page.textContent("#height")) >= what.height, "the height");
  must(await page.textContent("#ready") === "yes", "ready");
  await until(page, () => document.querySelectorAll("#chart rect").length > 2);
  await until(page, () => /signed/.test(document.querySelector("#validators tbody").textContent));
  await until(page, () => /denied/.test(document.querySelector("#findings tbody").textContent));
  must(/<b>/.test(await page.textContent("#findings tbody")) && !(await page.$("#findings tbody b")), "text of others became markup");
  if (what.eid) await until(page, (eid) => document.querySelector("#routes tbody").textContent.includes(eid), what.eid);
  const height = Number(await page.textContent("#height"));
  lx("register", "create", "--data", "live");
  await until(page, (h) => Number(document.getElementById("height").textContent) > h, height);
  passed += 5;

  let text = await search(page, String(what.height));
  must(/sees the chain for the first time/.test(text) && /Block/.test(text), `the first search: ${text}`);
  const expected = [[String(what.height), /Block \d+.*checked in this browser.*signatures hold.*history root/s],
    [what.digest, /Published as .*tool.*checked in this browser.*index.*manifest.*has not revoked it/s],
    [what.register, /Register.*checked in this browser.*state root/s],
    [what.name, new RegExp(`Name.*checked in this browser.*${what.register}`, "s")],
    ["nobody-has-this-name", /no, and that is proven.*proven absent/s],
    [what.tx, /Transaction.*checked in this browser.*transactions root/s],
    ["ab".repeat(32), /no, and that is proven/]];
  if (what.eid) expected.push([what.eid, /EID.*checked in this browser.*first_key/s], ["fd00::1", /no, and that is proven/]);
  for (const [q, pattern] of expected) { text = await search(page, q); must(pattern.test(text), `search for ${q}: ${text}`); }
  await page.screenshot({path: `${dir}/light-search.png`, fullPage: true});
  text = await search(page, "12:xyz");
  must(/no address/.test(text), `a bad address: ${text}`);
  await page.keyboard.press("Escape");
  must(await page.isHidden("#found"), "Esc does not close");
  await page.screenshot({path: `${dir}/light.png`, fullPage: true});
  must([...seen.hosts].every((h) => h === new URL(base).host), `other hosts are asked: ${[...seen.hosts]}`);
  must(seen.bytes > 10000 && seen.bytes < 200 * 1024, `the page has ${seen.bytes} bytes`);
  must(!seen.bad.length, `errors: ${seen.bad}`);
  figures.page_bytes = seen.bytes;

  // A node that lies: one digit of a path, a signature, a value is another.
  for (const [field, pattern] of [["path", /does not lead|ends|left over|cut off|empty sibling|bit too many|stands elsewhere/], ["cert", /signature|aggregated|signer|two thirds/], ["header", /does not hold|header|set|chain|lead/i]]) {
    await page.route("**/rpc", async (route) => {
      const answer = await route.fetch({headers: {...route.request().headers(), authorization: "Basic " + Buffer.from(`${username}:${password}`).toString("base64")}}), list = await answer.json();
      for (const a of list) {
        const proof = a.result && a.result.proof, spot = field === "path" ? proof && proof.state && proof.state[0] : proof;
        if (spot && spot[field]) { const s = spot[field], at = field === "path" ? s.length - 9 : s.length - 20; spot[field] = s.slice(0, at) + (s[at] === "0" ? "1" : "0") + s.slice(at + 1); }
      }
      await route.fulfill({response: answer, json: list});
    });
    text = await search(page, what.register);
    must(pattern.test(text) && !/checked in this browser/.test(text), `a lie in ${field} was believed: ${text}`);
    await page.unroute("**/rpc");
  }
  await context.close();

  // Dark, on a phone, at 1 Mbit/s.
  ({context, page, seen} = await open({colorScheme: "dark", viewport: {width: 390, height: 844}, isMobile: true, hasTouch: true, deviceScaleFactor: 2}));
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.emulateNetworkConditions", {offline: false, latency: 20, downloadThroughput: 125000, uploadThroughput: 125000});
  await page.goto(base, {waitUntil: "load"});
  await live(page);
  figures.first_paint_1mbit_ms = Math.round(await paint(page));
  await until(page, () => document.querySelectorAll("#chart rect").length > 2);
  must(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "a phone must scroll sideways");
  must(await page.evaluate(() => { const c = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number); return c[0] + c[1] + c[2] < 150; }), "dark is not dark");
  await page.screenshot({path: `${dir}/phone-dark.png`, fullPage: true});
  await context.close();

  // Dark on a desk; all by keyboard: the first Tab shows the way past the head.
  ({context, page, seen} = await open({colorScheme: "dark"}));
  await page.goto(base, {waitUntil: "load"});
  await live(page);
  await page.keyboard.press("Tab");
  must(await page.evaluate(() => document.activeElement.className === "skip"), "no way past the head");
  await page.waitForTimeout(6000);
  await page.screenshot({path: `${dir}/dark.png`, fullPage: true});
  must(!seen.bad.length, `errors: ${seen.bad}`);
  await browser.close();
  console.log(JSON.stringify({passed, ...figures}));
})().catch((e) => { console.error(`FAIL: ${e.message}`); process.exit(1); });
