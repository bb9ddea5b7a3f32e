// The page of `portal serve` in a real browser. PORTAL is the binary, CHROMIUM the browser, and
// SCREENSHOTS, if it is set, a directory for pictures of every page at 400 and 1,600 pixels.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const portal = process.env.PORTAL;
const run = promisify(execFile);
const HOSTILE = "<img src=x onerror=alert(1)>";

let home, server, listening, browser, page;
const problems = [];

before(async () => {
  home = await mkdtemp(join(tmpdir(), "portal-page-"));
  const flags = ["serve", "--listen", "0", "--admin-listen", "0", "--output", "json"];
  server = spawn(portal, flags, { env: { HOME: home }, stdio: ["ignore", "pipe", "inherit"] });
  listening = JSON.parse(String(await new Promise((resolve) => server.stdout.once("data", resolve))));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  page = await browser.newPage();
  // A policy that stops a script of the page's own, or a script that fails, is told here.
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("dialog", (dialog) => problems.push(`dialog: ${dialog.message()}`));
});

after(async () => {
  await browser?.close();
  server?.kill();
  if (home) await rm(home, { recursive: true });
});

function environment() {
  return {
    HOME: home,
    PORTAL_API_DOMAIN: listening.url,
    PORTAL_ACCOUNTS_URL: listening.url,
    PORTAL_CLIENT_ID: listening.client_id,
    PORTAL_CLIENT_SECRET: listening.client_secret,
    PORTAL_REFRESH_TOKEN: listening.refresh_token,
    PORTAL_PROCESSING_TIME: "300ms",
    PORTAL_LIST_LAG: "0s",
  };
}

const create = (name) => run(portal, ["create", "--yes", "--allow-another", name], { env: environment() });

test("a create with a fault appears live", async () => {
  await page.goto(`${listening.admin}/faults`);
  await page.getByRole("button", { name: "Next request only: The portal is created, and the response is lost" }).click();
  assert.match(await page.textContent("main"), /POST committed:drop next request only/);
  await page.getByRole("link", { name: "Requests" }).click();
  assert.match(await page.textContent("main"), /No request yet/);
  const { stdout } = await create("AcmePortal");
  assert.match(stdout, /AcmePortal exists now; no response confirmed it/);
  const lost = page.getByRole("row", { name: /AcmePortal no response POST committed:drop/ });
  await lost.waitFor();
  await lost.getByRole("link").click();
  assert.match(await page.textContent("main"), /A fault withheld it/);
  assert.match(await page.textContent("pre.body"), /^\{\n  "portals": \[\n    \{\n      "name": "AcmePortal"/);
  assert.match(await page.textContent("dl.facts"), /Client\s*portal/);
  const [token, curl] = await page.locator("figure pre").allTextContents();
  assert.match(token, /^eval "\$\(portal serve env --port \d+\)"\nTOKEN=\$\(curl /);
  assert.match(curl, /--data-raw '\{"portals":\[\{"name":"AcmePortal"\}\]\}'/);
});

test("the list is filtered and paused", async () => {
  await page.goto(listening.admin);
  const rows = page.locator("#requests tr:visible");
  const all = await rows.count();
  await page.getByLabel("Filter").fill("post AcmePortal");
  assert.equal(await rows.count(), 1);
  await page.reload();
  assert.equal(await page.getByLabel("Filter").inputValue(), "post AcmePortal");
  assert.equal(await rows.count(), 1);
  // What is searched is what is seen, not the page's markup.
  await page.getByLabel("Filter").fill("datetime");
  await page.reload();
  assert.equal(await rows.count(), 0);
  await page.getByText("No request matches the filter").waitFor();
  await page.getByLabel("Filter").fill("");
  await page.getByText("No request matches the filter").waitFor({ state: "hidden" });
  assert.equal(await rows.count(), all);
  await page.getByRole("button", { name: "Pause" }).click();
  await create("BetaPortal");
  const resume = page.getByRole("button", { name: /Resume \([1-9]\d* new\)/ });
  await resume.waitFor();
  assert.equal(await rows.count(), all);
  await resume.click();
  await page.getByRole("row", { name: /BetaPortal/ }).waitFor();
});

test("rows are in the order of their times, not of their ends", async () => {
  const faults = `${listening.admin}/api/faults`;
  await fetch(faults, { method: "POST", body: JSON.stringify({ once: ["GET request:delay=1s"] }) });
  await page.goto(listening.admin);
  const get = (name) => fetch(`${listening.url}/crm/v7/settings/portals/${name}`);
  const slow = get("SlowPortal");
  while ((await (await fetch(faults)).json()).once.length > 0);
  await get("FastPortal");
  await page.getByRole("row", { name: /FastPortal/ }).waitFor();
  await slow;
  await page.getByRole("row", { name: /SlowPortal/ }).waitFor();
  const times = () => page.locator("#requests time").evaluateAll((all) => all.map((it) => it.dateTime));
  const live = await times();
  assert.deepEqual(live, live.toSorted().reverse());
  await page.reload();
  assert.deepEqual(await times(), live);
});

test("faults that are on are in the header of every page", async () => {
  await page.goto(`${listening.admin}/faults`);
  await page.getByRole("button", { name: "Switch on: The list fails" }).click();
  const active = page.getByRole("group", { name: "Faults that are on" });
  for (const path of ["/orgs", "/requests/1", "/"]) {
    await page.goto(listening.admin + path);
    assert.match(await active.textContent(), /GET request:500/);
  }
  await active.getByRole("button", { name: "Switch off GET request:500" }).click();
  await page.waitForURL(`${listening.admin}/`);
  assert.equal(await active.count(), 0);
});

test("markup in a request is text", async () => {
  const { access_token } = await (
    await fetch(`${listening.url}/oauth/v2/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "refresh_token",
        client_id: listening.client_id,
        client_secret: listening.client_secret,
        refresh_token: listening.refresh_token,
      }),
    })
  ).json();
  await page.goto(listening.admin);
  await fetch(`${listening.url}/crm/v7/settings/portals`, {
    method: "POST",
    headers: { authorization: `Bearer ${access_token}`, "x-odd": HOSTILE },
    body: JSON.stringify({ portals: [{ name: HOSTILE }] }),
  });
  const refused = page.getByRole("row", { name: / 400 [A-Z]/ });
  await refused.waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  await refused.getByRole("link").click();
  const shown = await page.textContent("main");
  assert.ok(shown.includes(HOSTILE), shown);
  assert.equal(await page.locator("main img").count(), 0);
  assert.ok(!(await page.content()).includes(access_token));
});

test("secrets are masked until they are asked for", async () => {
  await page.goto(`${listening.admin}/orgs`);
  assert.ok(!(await page.content()).includes(listening.client_secret));
  await page.getByRole("link", { name: "Show the secrets" }).click();
  const text = await page.textContent("figure pre");
  assert.ok(text.includes(`export PORTAL_CLIENT_SECRET=${listening.client_secret}`), text);
  await page.getByRole("button", { name: "Copy" }).first().click();
  await page.getByRole("button", { name: /Copied|Selected/ }).waitFor();
});

test("a fault is switched on and off", async () => {
  await page.goto(`${listening.admin}/faults`);
  await page.getByRole("button", { name: "Switch on: The list fails" }).click();
  const list = await fetch(`${listening.url}/crm/v7/settings/portals`);
  assert.equal(list.status, 500);
  await page.getByRole("main").getByRole("button", { name: "Switch off GET request:500" }).click();
  assert.match(await page.textContent("main"), /None: requests are served normally/);
  await page.getByLabel("Fault", { exact: true }).fill("GET request:oops");
  await page.keyboard.press("Enter");
  assert.match(await page.getByRole("alert").textContent(), /unexpected "oops"/);
  // The page of a refused form is an error to the browser, as it should be.
  assert.match(problems.pop() ?? "", /400/);
});

test("it is whole at every width, with and without scripts", async () => {
  const faults = { faults: ["POST committed:delay=15s:@9"], once: ["GET request:stale=1m30s:1/2"] };
  await fetch(`${listening.admin}/api/faults`, { method: "POST", body: JSON.stringify(faults) });
  for (const javaScriptEnabled of [true, false]) {
    for (const width of [400, 1600]) {
      for (const colorScheme of ["light", "dark"]) {
        const viewport = { width, height: 900 };
        const context = await browser.newContext({ viewport, colorScheme, javaScriptEnabled });
        const other = await context.newPage();
        for (const [name, path] of Object.entries({
          requests: "/?q=portals",
          request: "/requests/1",
          orgs: "/orgs?secrets=shown",
          faults: "/faults",
        })) {
          await other.goto(listening.admin + path);
          const width = await other.locator("html").evaluate((html) => html.scrollWidth - innerWidth);
          assert.ok(width <= 0, `${path} is ${width} pixels too wide`);
          if (process.env.SCREENSHOTS && javaScriptEnabled) {
            const file = `${name}-${viewport.width}-${colorScheme}.png`;
            await other.screenshot({ path: join(process.env.SCREENSHOTS, file), fullPage: true });
          }
        }
        await context.close();
      }
    }
  }
});

test("the list is cleared, and all begins anew from it", async () => {
  await page.goto(listening.admin);
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByText("No request yet").waitFor();
  await page.goto(`${listening.admin}/orgs`);
  assert.match(await page.textContent("main"), /AcmePortal/);
  await page.goto(listening.admin);
  await page.getByRole("button", { name: "Start over" }).click();
  await page.waitForURL(`${listening.admin}/`);
  await page.goto(`${listening.admin}/orgs`);
  await page.getByText("None yet").waitFor();
});

test("it begins anew", async () => {
  await create("AcmePortal");
  await page.goto(`${listening.admin}/orgs`);
  assert.match(await page.textContent("main"), /AcmePortal/);
  // By the keyboard alone.
  await page.getByText("Reset: back to the orgs it started with").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${listening.admin}/orgs`);
  await page.getByText("None yet").waitFor();
});

test("nothing was blocked and no script failed", () => assert.deepEqual(problems, []));
