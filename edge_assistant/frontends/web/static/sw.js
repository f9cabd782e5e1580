// Keeps the page's shell for times without the device: markup, looks, code, icons. Nothing of any conversation
// is ever kept here. Whatever the device can serve comes from the device.

const CACHE = "shell";
const PATIENCE_MS = 2500; // away from home an address may not even refuse
const SHELL = /^\/(static\/[\w.-]+)?$/;

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
  const { files } = await (await fetch("/static/shell.json", { cache: "no-cache" })).json();
  await cache.addAll(["/", ...files]);
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
