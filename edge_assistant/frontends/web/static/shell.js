// Keeps the empty page in this browser, so that it opens without the device, and offers to install it.

let offer = null;

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  offer = event;
});

/** Returns a function that asks to install the page, or null where the browser doesn't offer that. */
export const installer = () => offer && (() => offer.prompt());

/** Browsers allow it over https and on this machine only; elsewhere the page needs the device to open. */
export function keepShell() {
  navigator.serviceWorker?.register("/sw.js").catch(() => {});
}
