// Keeps the page's shell for times without the device: markup, looks, code, icons. Nothing of any conversation
// is ever kept here. Whatever the device can serve comes from the device.

const CACHE = "shell";
const PATIENCE_MS = 2500; // away from home an address may not even refuse
const SHELL = /^\/(static\/[\w.-]+)?$/;

/** What the page fetches only when somebody wants to see it. */
const LATER = [
  "household-text.js", "household.css", "household.js", "invitation.js", "panel-assistant.js", "panel-form.js",
  "panel-model.js", "panel-page.js", "panel-status.js", "panel-text.js", "panel-turns.js", "panels.css", "settings.js",
  "wizard.js",
];

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(fetchShell());
});

addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method === "GET" && origin === location.origin && SHELL.test(pathname)) event.respondWith(answer(event.request, pathname));
});

async function fetchShell() {
  const cache = await caches.open(CACHE);
  const page = await fetch("/", { cache: "no-cache" });
  const names = new Set((await page.clone().text()).match(/\/static\/[\w.-]+/g));
  await cache.put("/", page);
  await cache.addAll([...names, ...LATER.map((name) => `/static/${name}`)]);
}

/** The device's answer when it comes soon, else what was kept. */
async function answer(request, pathname) {
  const cache = await caches.open(CACHE);
  const key = pathname; // the fragment of a sign-in link is no part of it
  const fresh = fetch(request).then((response) => {
    if (response.ok) cache.put(key, response.clone());
    return response;
  });
  fresh.catch(() => {});
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  const soon = await Promise.race([fresh.catch(() => null), late]);
  return soon ?? (await cache.match(key)) ?? fresh;
}
