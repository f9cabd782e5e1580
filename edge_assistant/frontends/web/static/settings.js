// The settings: one dialog whose parts are fetched with it. Owners set the device up, everybody their own page.

import * as api from "./api.js";
import { el, ICONS, iconButton } from "./dom.js";
import { assistantPanel } from "./panel-assistant.js";
import { modelPanel } from "./panel-model.js";
import { pagePanel } from "./panel-page.js";
import { statusPanel } from "./panel-status.js";
import { say } from "./panel-text.js";
import { turnsPanel } from "./panel-turns.js";

/** Each makes the nodes of a panel from the hooks of `openSettings`; those in `OWNERS` change the device. */
const PANELS = { page: pagePanel, assistant: assistantPanel, model: modelPanel, status: statusPanel, turns: turnsPanel };
const OWNERS = new Set(["assistant", "model"]);

/**
 * Opens the dialog at `panel`. `hooks` are `changed()` when something of the device changed, `openSession(id)`,
 * `openHousehold()`, and `line()`, the place in the queue of the answer that is awaited, else null.
 */
export async function openSettings(panel, hooks) {
  const me = await api.me().catch(() => null);
  const owner = me?.user.role === "owner";
  const names = Object.keys(PANELS).filter((name) => owner || !OWNERS.has(name));
  const place = el("div", { class: "panel", id: "panel" });
  const dialog = el("dialog", { class: "panels", "aria-labelledby": "settings-title", onclose: () => dialog.remove() });
  const close = () => dialog.close();
  const own = { ...hooks, me, close, openSession: (id) => [close(), hooks.openSession(id)] };

  const current = () => tabs.find((tab) => tab.getAttribute("aria-current") === "true");
  const show = async (name) => {
    for (const tab of tabs) tab.setAttribute("aria-current", String(tab.dataset.panel === name));
    current().scrollIntoView({ inline: "nearest", block: "nearest" });
    place.replaceChildren(el("p", { class: "muted" }, say("loading")));
    const shown = await PANELS[name](own).catch((error) => [el("p", { class: "note problem" }, say("failed", error.message))]);
    if (current().dataset.panel === name) place.replaceChildren(el("h3", {}, say(name)), ...shown);
  };
  const tabs = names.map((name) => el("button", { type: "button", class: "tab", "data-panel": name, onclick: () => show(name) }, say(name)));
  const people = el("button", { type: "button", class: "tab", onclick: () => [close(), hooks.openHousehold()] }, say("household"));
  dialog.append(
    el("div", { class: "panels-head" }, el("h2", { id: "settings-title" }, say("title")), iconButton(ICONS.close, say("close"), close)),
    el("nav", { class: "tabs", "aria-label": say("title") }, ...tabs, people),
    place,
  );
  document.body.append(dialog);
  dialog.showModal();
  await show(names.includes(panel) ? panel : names[0]);
  current().focus();
}
