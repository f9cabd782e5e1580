// The settings: one dialog around the panels; each is fetched when it is opened.

import * as api from "./api.js";
import { el, ICONS, iconButton } from "./dom.js";
import { panelsFor, titleOf } from "./panels.js";
import { say } from "./panel-text.js";

/**
 * Opens the dialog at `panel`. `hooks` are `features`, what is on on this device, `files` that were dropped,
 * `changed()` when something of the device changed, `openSession(id)`, `openHousehold()`, and `line()`, the place in
 * the queue of the answer that is awaited, else null.
 */
export async function openSettings(panel, hooks) {
  const me = await api.me().catch(() => null);
  const panels = panelsFor(me?.user.role ?? "guest", hooks.features);
  const place = el("div", { class: "panel", id: "panel" });
  const dialog = el("dialog", { class: "panels", "aria-labelledby": "settings-title", onclose: () => dialog.remove() });
  const close = () => dialog.close();
  const own = { ...hooks, me, close, openSession: (id) => [close(), hooks.openSession(id)] };

  const current = () => tabs.find((tab) => tab.getAttribute("aria-current") === "true");
  const show = async (each) => {
    for (const tab of tabs) tab.setAttribute("aria-current", String(tab.dataset.panel === each.id));
    current().scrollIntoView({ inline: "nearest", block: "nearest" });
    place.replaceChildren(el("p", { class: "muted" }, say("loading")));
    const shown = await drawn(each, own);
    if (current().dataset.panel !== each.id) return;
    place.replaceChildren(el("h3", {}, titleOf(each)), ...shown);
    place.scrollTop = 0;
  };
  const tab = (each) => el("button", { type: "button", class: "tab", "data-panel": each.id, onclick: () => show(each) }, titleOf(each));
  const tabs = panels.map(tab);
  const people = el("button", { type: "button", class: "tab", onclick: () => [close(), hooks.openHousehold()] }, say("household"));
  dialog.append(
    el("div", { class: "panels-head" }, el("h2", { id: "settings-title" }, say("title")), iconButton(ICONS.close, say("close"), close)),
    el("nav", { class: "tabs", "aria-label": say("title") }, ...tabs, people),
    place,
  );
  document.body.append(dialog);
  dialog.showModal();
  await show(panels.find(({ id }) => id === panel) ?? panels[0]);
  current().focus();
}

/** Returns the nodes of a panel, or what kept them away. */
async function drawn({ load }, hooks) {
  try {
    const { panel } = await load();
    return await panel(hooks);
  } catch (error) {
    return [el("p", { class: "note problem" }, say("failed", error.message))];
  }
}
