// A way in for another device: QR code, digits, and what becomes of them.

import { call } from "./api.js";
import { el } from "./dom.js";
import { say } from "./household-text.js";

const LOOK_MS = 2000;

/**
 * Shows a new invitation for a device of `user` (empty: whoever is signed in) inside `place` until it
 * was used or ended; when `place` leaves the page it is taken back. `onPaired()` hears of its use.
 */
export async function showInvitation(place, { user = "", onPaired = () => {} } = {}) {
  const shown = await call("POST", "/api/pairings", { user });
  const note = el("p", { class: "muted", role: "status" }, say("tries", 5));
  place.replaceChildren(shown.problem ? el("p", { class: "note problem" }, say("problem", shown.problem)) : "", picture(shown), note);
  const path = `/api/pairings/${shown.id}`;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (!place.isConnected || !place.contains(note)) return call("DELETE", path).catch(() => {});
    const state = await call("GET", path).catch((error) => (error.status === 404 ? { state: "ended" } : null));
    if (state?.state === "waiting") note.textContent = say("tries", state.tries_left);
    else if (state) return finish(place, state.state, { user, onPaired });
  }
}

function finish(place, state, options) {
  const paired = state === "paired";
  const again = el("button", { type: "button", class: "quiet", onclick: () => showInvitation(place, options) }, say("again"));
  place.replaceChildren(el("p", { role: "status" }, say(paired ? "paired" : "ended")), again);
  if (paired) options.onPaired();
}

function picture({ qr_svg, address, code, fingerprint }) {
  const image = el("img", { class: "qr", alt: say("qr"), src: `data:image/svg+xml,${encodeURIComponent(qr_svg)}` });
  const digits = el("p", { class: "digits", role: "img", "aria-label": say("typed", code) }, `${code.slice(0, 3)} ${code.slice(3)}`);
  const print = fingerprint && el("details", {}, el("summary", {}, say("fingerprint")), el("code", {}, fingerprint));
  return el("div", { class: "invitation" }, el("p", {}, say("scan")), image, el("p", {}, say("type", address)), digits, print || null);
}
