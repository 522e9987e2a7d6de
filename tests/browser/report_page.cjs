// Opens the HTML page of a report in Chromium, as people do, and compares what it shows with the report's JSON.
//
//     node report_page.cjs CHROMIUM PAGES SHOTS
//
// PAGES is a directory with pairs of NAME.html and NAME.json, of which `report` is an ordinary one and `hostile` has names that try to
// be run. SHOTS is where pictures of them go. Silence and exit code 0 mean that all holds.
"use strict";
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");

const [executablePath, pages, shots] = process.argv.slice(2);
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

const json = (name) => JSON.parse(readFileSync(join(pages, `${name}.json`), "utf8"));
const url = (name) => pathToFileURL(join(pages, `${name}.html`)).href;

// Exact, and by another way than the page's own: as whole numbers of units of the 400th decimal place.
const units = (text) => {
  const [, sign, whole, fraction = "", exponent = "0"] = /^([-+]?)(\d+)(?:\.(\d+))?(?:e([-+]?\d+))?$/.exec(text);
  const value = BigInt(whole + fraction) * 10n ** BigInt(400 - fraction.length + Number(exponent));
  return sign === "-" ? -value : value;
};

// A page in a window of its own, and whatever must not happen there.
const open = async (browser, name, options) => {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`error: ${error}`));
  page.on("dialog", (dialog) => faults.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    if (request.url() !== url(name)) faults.push(`request: ${request.url()}`);
  });
  await page.goto(url(name));
  const close = async () => {
    assert.deepEqual(faults, []);
    await context.close();
  };
  return { page, close };
};

const texts = (page, selector) =>
  page.$$eval(selector, (found) => found.map((element) => element.textContent.trim()));

const column = async (page, title) => {
  const titles = await texts(page, "#rows thead th");
  const at = titles.indexOf(title);
  assert.notEqual(at, -1, `${title} in ${titles}`);
  return at;
};

const cells = async (page, title) => {
  const at = await column(page, title);
  return page.$$eval(
    "#rows tbody tr",
    (rows, at) => rows.filter((row) => !row.hidden).map((row) => row.cells[at].textContent.trim()),
    at,
  );
};

const isInside = async (page) => {
  const [needed, given] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(needed <= given, `the page is ${needed} px wide, and the window ${given}`);
};

// What the page says of the totals is what the JSON says, character by character.
const totals = async (page, report) => {
  for (const total of report.totals) {
    const card = page.locator(`.card[data-currency="${total.currency}"]`);
    for (const field of await card.locator("[data-field]").all()) {
      const name = await field.getAttribute("data-field");
      assert.equal(await field.textContent(), String(total[name]), `${total.currency} ${name}`);
    }
    assert.equal(await card.locator('[data-field="spend"]').count(), 1);
  }
  assert.equal(await page.locator(".card").count(), report.totals.length + (report.meta.usd ? 1 : 0));
  const at = await column(page, "Spend");
  const feet = await page.$$eval("#rows tfoot tr", (rows, at) => rows.map((row) => row.cells[at].textContent.trim()), at);
  assert.deepEqual(feet.slice(-report.totals.length), report.totals.map(({ spend }) => spend));
};

// Whichever way, by exact decimals.
const sortedBySpend = async (page, report) => {
  const before = await cells(page, "Spend");
  assert.deepEqual([...before].sort(), report.rows.map(({ spend }) => spend).sort());
  const falling = [...before].sort((one, other) => (units(one) < units(other) ? 1 : units(one) > units(other) ? -1 : 0));
  const head = page.locator("#rows thead th", { hasText: /^Spend$/ });
  await head.getByRole("button").click();
  assert.equal(await head.getAttribute("aria-sort"), "descending");
  assert.deepEqual(await cells(page, "Spend"), falling);
  await head.getByRole("button").press("Enter");
  assert.equal(await head.getAttribute("aria-sort"), "ascending");
  assert.deepEqual(await cells(page, "Spend"), falling.reverse());
};

const sorted = async (page, report) => {
  await sortedBySpend(page, report);
  const day = page.locator("#rows thead th", { hasText: /^Day$/ });
  await day.getByRole("button").click();
  assert.equal(await page.locator("[aria-sort]").count(), 1);
  assert.deepEqual(await cells(page, "Day"), (await cells(page, "Day")).sort());
};

const filtered = async (page, report) => {
  const [first] = report.rows;
  await page.fill("#filter", first.day);
  const days = await cells(page, "Day");
  assert.ok(days.length > 0 && days.every((day) => day === first.day), String(days));
  assert.match(await page.locator("#shown").textContent(), new RegExp(`^${days.length} of ${report.rows.length} rows$`));
  await page.selectOption("#currency", first.currency);
  assert.deepEqual(await cells(page, "Currency"), days.slice(0, 1).map(() => first.currency));
  assert.equal(await page.locator("#rows tfoot tr:visible").count(), 1);
  await page.fill("#filter", "there is no such row");
  assert.equal((await cells(page, "Day")).length, 0);
  await page.fill("#filter", "");
  await page.selectOption("#currency", "");
  assert.equal((await cells(page, "Day")).length, report.rows.length);
};

// The amounts of a day are those of the rows by day, whoever asks for them. A day without a row has none.
const tooltips = async (page, report) => {
  const { currency } = report.totals[0];
  const { since, until } = report.meta.window;
  const days = [];
  for (let at = Date.parse(since); at < Date.parse(until); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10);
    const row = report.rows.find((row) => row.currency === currency && row.day === day);
    days.push({ day, spend: row?.spend ?? "0" });
  }
  const gap = days.findIndex(({ spend }) => spend === "0");
  assert.notEqual(gap, -1, "a day without usage is among them");
  await page.locator("#c0").check({ force: true });
  const plot = page.locator('.plot[data-chart="0.spend"] .pick');
  const tip = page.locator("#tip");
  await plot.scrollIntoViewIfNeeded();
  const box = await plot.boundingBox();
  const width = box.width / days.length;
  for (const at of [0, gap, days.length - 1, 20]) {
    await page.mouse.move(box.x + width * (at + 0.5), box.y + 60);
    const said = await tip.innerText();
    assert.ok(said.includes(days[at].day) && said.includes(`${days[at].spend} ${currency}`), `${said}: ${days[at].day}`);
    const parts = await page.$$eval("#tip li span", (found) => found.map((part) => part.textContent));
    const sum = parts.reduce((sum, part) => sum + units(part), 0n);
    assert.equal(sum, units(days[at].spend));
  }
  await page.screenshot({ path: join(shots, "tooltip.png") });
  await page.mouse.move(2, 2);
  assert.equal(await tip.isVisible(), false);

  await page.locator("#c0").focus();
  await page.keyboard.press("Tab");
  assert.ok(await plot.evaluate((pick) => pick === document.activeElement));
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  const value = await plot.getAttribute("aria-valuetext");
  assert.ok(value.startsWith(`${days[1].day}; ${days[1].spend} ${currency}`), value);
  assert.ok(await tip.isVisible());
  await page.keyboard.press("End");
  assert.match(await plot.getAttribute("aria-valuetext"), new RegExp(`^${days.at(-1).day}; `));
  await page.keyboard.press("Escape");
  assert.equal(await tip.isVisible(), false);
};

const tabs = async (page, report) => {
  for (const [n, { currency }] of report.totals.entries()) {
    await page.locator(".tabs label", { hasText: new RegExp(`^${currency}$`) }).click();
    const visible = await page.$$eval(".panel", (panels) => panels.map((panel) => panel.offsetHeight > 0));
    assert.deepEqual(visible, report.totals.map((_, other) => other === n));
  }
  await page.locator(".tabs label").first().click();
};

const touched = async (browser) => {
  const { page, close } = await open(browser, "report", { viewport: PHONE, hasTouch: true, isMobile: true });
  const plot = page.locator(".pick:visible").first();
  await plot.scrollIntoViewIfNeeded();
  await plot.tap();
  const said = await page.locator("#tip").innerText();
  assert.match(said, /^\d{4}-\d\d-\d\d\n/);
  const box = await page.locator("#tip").boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= PHONE.width, JSON.stringify(box));
  await page.screenshot({ path: join(shots, "touched.png") });
  await close();
};

const contrast = async (page) => {
  // WCAG 2.2, 1.4.3: 4.5 to 1 for text.
  const poor = await page.evaluate(() => {
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
      const part = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
      return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const back = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = numbers(getComputedStyle(at).backgroundColor);
        if (colour.length === 3 || colour[3] === 1) return colour;
      }
      return [255, 255, 255];
    };
    const walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    const found = new Set();
    while (walk.nextNode()) {
      const element = walk.currentNode.parentElement;
      if (!walk.currentNode.data.trim() || !element.offsetParent) continue;
      const [a, b] = [light(numbers(getComputedStyle(element).color)), light(back(element))];
      if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) found.add(`${element.className}: ${walk.currentNode.data}`);
    }
    return [...found].slice(0, 5);
  });
  assert.deepEqual(poor, []);
};

const looked = async (browser, name, report) => {
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [WIDE, PHONE]) {
      for (const javaScriptEnabled of [true, false]) {
        const { page, close } = await open(browser, name, { viewport, colorScheme, javaScriptEnabled });
        await totals(page, report);
        const script = javaScriptEnabled ? "" : "-no-script";
        const path = join(shots, `${name}-${viewport.width}-${colorScheme}${script}.png`);
        await page.screenshot({ path, fullPage: true });
        assert.equal(await page.locator("#controls").isVisible(), javaScriptEnabled);
        assert.equal(await page.locator("#rows tbody tr:visible").count(), report.rows.length);
        assert.ok((await page.locator("svg[role=img]:visible").count()) >= 2);
        if (javaScriptEnabled) {
          await isInside(page);
          await contrast(page);
        }
        await close();
      }
    }
  }
};

const printed = async (browser) => {
  const { page, close } = await open(browser, "report", { colorScheme: "dark" });
  await page.fill("#filter", "there is no such row");
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  assert.equal(await page.locator("#rows tbody tr:visible").count(), json("report").rows.length);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  for (const hidden of [".tabs", "#controls", ".pick"]) {
    assert.equal(await page.locator(hidden).first().isVisible(), false, hidden);
  }
  const panels = await page.$$eval(".panel", (panels) => panels.filter((panel) => panel.offsetHeight > 0).length);
  assert.equal(panels, json("report").totals.length);
  // As wide as a sheet of paper.
  await page.setViewportSize({ width: 794, height: 1123 });
  await page.screenshot({ path: join(shots, "printed.png"), fullPage: true });
  await page.pdf({ path: join(shots, "report.pdf"), format: "A4" });
  await close();
};

const attacked = async (browser) => {
  const { page, close } = await open(browser, "hostile", {});
  await page.locator(".pick:visible").first().focus();
  for (const key of ["ArrowRight", "ArrowLeft", "End", "Home"]) await page.keyboard.press(key);
  await sortedBySpend(page, json("hostile"));
  for (const button of await page.locator("#rows thead button").all()) await button.click();
  await page.mouse.move(300, 300);
  await isInside(page);
  assert.equal(await page.evaluate(() => window.__hit), undefined);
  assert.equal(await page.locator("img, a:not(.skip), iframe, object, link").count(), 0);
  assert.equal(await page.locator("script").count(), 2);
  const said = await page.evaluate(() => document.body.innerText);
  assert.ok(said.includes("<img src=x onerror="), "names are shown as they are written");
  assert.ok(!/[\u202a-\u202e\u2066-\u2069]/.test(said), "and none turns the direction of reading");
  await page.screenshot({ path: join(shots, "hostile.png"), fullPage: true });
  await close();

  // A script that is not ours is not run, even if it came into the page. That the browser says so is no fault.
  const other = await browser.newPage();
  await other.goto(url("hostile"));
  await other.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.__hit = 1";
    document.body.append(script);
  });
  assert.equal(await other.evaluate(() => window.__hit), undefined);
  await other.close();
};

(async () => {
  const browser = await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
  try {
    const report = json("report");
    await looked(browser, "report", report);
    const { page, close } = await open(browser, "report", {});
    await totals(page, report);
    await tabs(page, report);
    await tooltips(page, report);
    await sorted(page, report);
    await filtered(page, report);
    await page.keyboard.press("Control+Home");
    await close();
    await touched(browser);
    await printed(browser);
    await attacked(browser);
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
