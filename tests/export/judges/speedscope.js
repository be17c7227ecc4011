// SPDX-License-Identifier: MIT
// Opens a file with speedscope in a headless Chromium, has it saved in speedscope's own format, and prints a line for each
// track: {"name", "slices"}: node speedscope.js FILE.
const fs = require("fs");
const http = require("http");
const path = require("path");
const { createRequire } = require("module");
const load = createRequire(process.env.JUDGES + "/package.json");
const { chromium } = load("playwright-core");
const release = path.join(process.env.JUDGES, "node_modules/speedscope/dist/release");
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".wasm": "application/wasm" };

async function main() {
  const server = http.createServer((request, response) => {
    const name = path.basename(new URL(request.url, "http://x").pathname);
    const file = name === "trace.json" ? process.argv[2] : path.join(release, name);
    if (!fs.existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": types[path.extname(name)] ?? "application/octet-stream" });
    fs.createReadStream(file).pipe(response);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const url = `http://127.0.0.1:${server.address().port}`;
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const failures = [];
    page.on("dialog", (dialog) => { failures.push(dialog.message()); dialog.dismiss(); });
    page.on("pageerror", (error) => failures.push(String(error)));
    await page.goto(`${url}/index.html#profileURL=${encodeURIComponent(`${url}/trace.json`)}`);
    const export_ = page.getByText("Export", { exact: false }).first();
    await Promise.race([export_.waitFor({ timeout: 60000 }), new Promise((_, fail) => setInterval(() => failures.length && fail(new Error(failures[0])), 50).unref())]);
    const [download] = await Promise.all([page.waitForEvent("download", { timeout: 60000 }), export_.click()]);
    const saved = JSON.parse(fs.readFileSync(await download.path(), "utf8"));
    if (failures.length) throw new Error(failures[0]);
    for (const profile of saved.profiles) {
      const frames = profile.events.filter((e) => e.type === "O").map((e) => saved.shared.frames[e.frame].name);
      console.log(JSON.stringify({ name: profile.name, slices: frames }));
    }
  } finally {
    await browser.close();
    server.close();
  }
}
main().catch((error) => { console.error(String(error)); process.exit(1); });
