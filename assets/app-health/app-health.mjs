// Signs in to an application with a browser and measures it.
//
// One JSON object comes in on standard input, so that the credentials are on no command line; one goes out on standard
// output. What it means is decided by whoever asked.
//
//   in:  { "probe": true }  or  { url, username, password, apiPrefix, timeoutMs, screenshot }
//   out: { "missing": "what is missing and how to get it" }  or  { "found": … }  or the measurement

import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const packages = ["playwright-core", "playwright"];
const browsers = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
const applications = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

const usernameField = [
  "input[autocomplete='username']",
  "input[name='username']",
  "input[type='email']",
  "input[name='email']",
].join(", ");
const passwordField = "input[type='password']";
const bannerPlace = "[role='alert'], [role='status'].error, .banner, .error-message";

function isPackage(directory) {
  try {
    return packages.includes(JSON.parse(readFileSync(join(directory, "package.json"), "utf8")).name);
  } catch {
    return false;
  }
}

/// Where playwright-core is: what the environment names, beside this file, or installed globally.
function findPlaywright() {
  const roots = [
    process.env.AURORA_COCKPIT_PLAYWRIGHT,
    here,
    ...(process.env.NODE_PATH ?? "").split(delimiter),
    join(dirname(process.execPath), "..", "lib"),
    "/usr/local/lib",
    "/usr/lib",
  ].filter(Boolean);
  for (const root of roots) {
    const places = packages.flatMap((name) => [join(root, name), join(root, "node_modules", name)]);
    const found = [root, ...places].find(isPackage);
    if (found) return found;
  }
  return undefined;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findBrowser() {
  const named = process.env.AURORA_COCKPIT_CHROMIUM;
  const onPath = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  const places = browsers.flatMap((name) => onPath.map((directory) => join(directory, name)));
  return [named, ...places, ...applications].filter(Boolean).find(isExecutable);
}

function tools() {
  const playwright = findPlaywright();
  if (!playwright) {
    const way = `npm install --prefix '${here}' playwright-core`;
    return { missing: `playwright-core is not found; install it with: ${way} (or name its place in AURORA_COCKPIT_PLAYWRIGHT)` };
  }
  const { chromium } = createRequire(import.meta.url)(playwright);
  // A browser that playwright itself installed, if the system has none.
  const own = () => (existsSync(chromium.executablePath()) ? chromium.executablePath() : undefined);
  const executablePath = findBrowser() ?? own();
  if (!executablePath) {
    return { missing: "no chromium on PATH; install it, or name its executable in AURORA_COCKPIT_CHROMIUM" };
  }
  return { playwright, chromium, executablePath };
}

/// The path of our own addresses, host and path of others. Queries may hold tokens.
function short(address, origin) {
  const url = new URL(address);
  return url.origin === origin ? url.pathname : url.host + url.pathname;
}

function watch(page, wanted, seen) {
  const origin = new URL(wanted.url).origin;
  const ended = async (request) => {
    const url = new URL(request.url());
    const ours = url.pathname.startsWith(wanted.apiPrefix);
    if (!ours && !url.host.includes("cognito")) return;
    const response = await request.response().catch(() => null);
    const { responseEnd } = request.timing();
    seen.requests.push({
      method: request.method(),
      url: short(request.url(), origin),
      status: response?.status() ?? 0,
      millis: Math.max(0, Math.round(responseEnd)),
    });
  };
  const keep = (request) => seen.pending.push(ended(request).catch(() => {}));
  page.on("requestfinished", keep);
  page.on("requestfailed", keep);
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    const text = message.text();
    // The browser's own words on a failed request do not say which.
    const { url } = message.location();
    const which = url && text.startsWith("Failed to load resource") ? ` ${short(url, origin)}` : "";
    seen.console.push((text + which).slice(0, 500));
  });
  page.on("pageerror", (error) => seen.console.push(String(error.message).slice(0, 500)));
}

/// The text of the first banner that can be seen and is none of those that were there before.
async function banner(page, before) {
  for (const text of await page.locator(bannerPlace).allInnerTexts().catch(() => [])) {
    const trimmed = text.trim();
    if (trimmed && !before.includes(trimmed)) return trimmed.slice(0, 300);
  }
  return undefined;
}

async function sees(page, selector) {
  return page.locator(selector).first().isVisible().catch(() => false);
}

async function pressSubmit(page, fallback) {
  const button = page.locator("button[type='submit'], input[type='submit']").first();
  if (await button.isVisible().catch(() => false)) await button.click();
  else await fallback.press("Enter");
}

/// Fills in the form and waits until the application lets us in or says why not.
async function signIn(page, wanted, deadline) {
  const username = page.locator(usernameField).first();
  const password = page.locator(passwordField).first();
  const left = () => Math.max(1, deadline - Date.now());
  const before = [];
  for (let text = await banner(page, before); text; text = await banner(page, before)) before.push(text);
  await username.fill(wanted.username, { timeout: left() });
  // Some forms ask for the password on a page of its own.
  if (!(await sees(page, passwordField))) await pressSubmit(page, username);
  await password.fill(wanted.password, { timeout: left() });
  await pressSubmit(page, password);
  const said = before;
  while (Date.now() < deadline) {
    await page.waitForTimeout(50);
    const refusal = await banner(page, said);
    if (refusal && (await sees(page, passwordField))) return { result: "refused", banner: refusal, before };
    if (!(await sees(page, passwordField)) && page.url() !== "about:blank") {
      await page.waitForLoadState("domcontentloaded", { timeout: left() }).catch(() => {});
      if (!(await sees(page, passwordField))) return { result: "ok", before };
    }
  }
  return { result: "refused", before };
}

async function timings(page) {
  return page.evaluate(() => {
    const [navigation] = performance.getEntriesByType("navigation");
    const paint = (name) => performance.getEntriesByName(name)[0]?.startTime;
    return [
      ["responseEnd", navigation?.responseEnd],
      ["domContentLoaded", navigation?.domContentLoadedEventEnd],
      ["loadEvent", navigation?.loadEventEnd],
      ["first-paint", paint("first-paint")],
      ["first-contentful-paint", paint("first-contentful-paint")],
      ["duration", navigation?.duration],
    ]
      .filter(([, value]) => Number.isFinite(value))
      .map(([name, value]) => [name, Math.round(value)]);
  });
}

async function measure(wanted) {
  const found = tools();
  if (found.missing) return found;
  const deadline = Date.now() + wanted.timeoutMs;
  const left = () => Math.max(1, deadline - Date.now());
  const seen = { requests: [], console: [], pending: [] };
  // Containers and root accounts have no user namespaces for chromium's own sandbox.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await found.chromium.launch({ executablePath: found.executablePath, args, timeout: left() });
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    watch(page, wanted, seen);
    await page.goto(wanted.url, { waitUntil: "load", timeout: left() });
    const form = page.locator(usernameField).first();
    // Some applications find out by a script that nobody is signed in.
    await form.waitFor({ state: "visible", timeout: Math.min(left(), 15000) }).catch(() => {});
    const entry = page.url();
    const hasForm = await form.isVisible();
    const signedIn = hasForm ? await signIn(page, wanted, deadline) : { result: "no-form", before: [] };
    await page.waitForLoadState("load", { timeout: left() }).catch(() => {});
    await page.waitForLoadState("networkidle", { timeout: Math.min(left(), 20000) }).catch(() => {});
    await Promise.all(seen.pending);
    if (wanted.screenshot) await page.screenshot({ path: wanted.screenshot, timeout: left() }).catch(() => {});
    return {
      signIn: signedIn.result,
      banner: signedIn.banner ?? null,
      before: signedIn.before,
      entry,
      landed: page.url(),
      timings: await timings(page),
      requests: seen.requests,
      console: seen.console,
      screenshot: wanted.screenshot && existsSync(wanted.screenshot) ? wanted.screenshot : null,
    };
  } finally {
    await browser.close().catch(() => {});
  }
}

function probe() {
  const found = tools();
  return found.missing ? found : { found: { playwright: found.playwright, browser: found.executablePath } };
}

const wanted = JSON.parse(readFileSync(0, "utf8"));
try {
  const answer = wanted.probe ? probe() : await measure(wanted);
  process.stdout.write(JSON.stringify(answer) + "\n");
} catch (error) {
  // The first line says what happened; the rest is a call log that could hold what was typed.
  process.stderr.write(String(error?.message ?? error).split("\n")[0] + "\n");
  process.exitCode = 1;
}
