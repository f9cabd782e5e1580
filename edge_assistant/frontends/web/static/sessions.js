// The list of chats: open, begin, rename, delete.

import * as api from "./api.js";
import { el, ICONS, icon, iconButton } from "./dom.js";
import { confirmedWith, keepReceipt, notify } from "./notices.js";
import { t } from "./text.js";

const DAY_MS = 86_400_000;

export class SessionList {
  constructor(parent, { onOpen, onGone, onChanged }) {
    this.parent = parent;
    this.onOpen = onOpen;
    this.onGone = onGone;
    this.onChanged = onChanged;
    this.items = [];
    this.current = "";
    this.renaming = false;
    this.instead = null;
    this.shares = ""; // the id of a person who may share chats with others who live here, else empty
  }

  /** Takes note of who is signed in: alone in the house, or as a guest, there is nobody to share with. */
  signedInAs({ user, people }) {
    this.shares = people > 1 && user.role !== "guest" ? user.id : "";
    this.draw();
  }

  async load() {
    try {
      this.items = await api.sessions();
      this.draw();
    } catch {
      // the connection says so itself; the list stays as it was
    }
  }

  /** Returns the title of a chat. */
  title(id) {
    return this.items.find((item) => item.id === id)?.title || t("untitled");
  }

  select(id) {
    this.current = id;
    this.draw();
  }

  /** Shows `nodes` in the place of the list, such as what was found; null brings the list back. */
  show(nodes) {
    this.instead = nodes;
    this.draw();
  }

  draw() {
    if (this.instead) return this.parent.replaceChildren(...this.instead);
    if (this.renaming) return; // the list must not move away under somebody who types
    const focused = this.parent.contains(document.activeElement) ? document.activeElement.id : "";
    if (!this.items.length) this.parent.replaceChildren(el("p", { class: "muted no-chats" }, t("noChats")));
    else this.parent.replaceChildren(...groups(this.items).flatMap((group) => this.groupNodes(group)));
    if (focused) document.getElementById(focused)?.focus();
  }

  groupNodes([key, items]) {
    const id = `group-${key}`;
    return [
      el("h2", { id, class: "group" }, t(key)),
      el("ul", { "aria-labelledby": id }, ...items.map((item) => this.itemNode(item))),
    ];
  }

  itemNode(item) {
    const title = item.title || t("untitled");
    const current = item.id === this.current;
    const open = el(
      "button",
      { type: "button", id: `open-${item.id}`, class: "pick", "aria-current": current ? "page" : null, onclick: () => this.onOpen(item.id) },
      item.visibility === "household" ? el("span", { class: "shared", title: t("shared") }, icon(ICONS.home), el("span", { class: "hidden" }, t("shared"))) : null,
      el("span", { class: "name", dir: "auto" }, title),
      el("time", { datetime: new Date(item.updated_at * 1000).toISOString() }, when(item.updated_at)),
    );
    const rename = iconButton(ICONS.edit, t("rename", title), () => this.rename(item, node));
    const remove = iconButton(ICONS.trash, t("remove", title), () => this.remove(item, title));
    rename.id = `rename-${item.id}`;
    const node = el("li", { class: current ? "session current" : "session" }, open, el("span", { class: "tools" }, this.shareButton(item, title), rename, remove));
    return node;
  }

  /** Returns the button that shares a chat or takes it back, for whoever began it. */
  shareButton(item, title) {
    if (!this.shares || item.began_by !== this.shares) return null;
    const shared = item.visibility === "household";
    const button = iconButton(ICONS.home, t(shared ? "unshare" : "share", title), () => this.share(item, shared ? "private" : "household"));
    button.setAttribute("aria-pressed", String(shared));
    button.id = `share-${item.id}`;
    return button;
  }

  async share(item, visibility) {
    try {
      Object.assign(item, await api.share(item.id, visibility));
      notify(t(visibility === "household" ? "sharedNow" : "privateNow"));
      this.onChanged(item.id);
    } catch (error) {
      notify(error.message);
    }
    this.draw();
  }

  rename(item, node) {
    const field = el("input", { type: "text", "aria-label": t("renameLabel"), maxlength: "200", autocomplete: "off" });
    field.value = item.title;
    const form = el("form", { class: "renaming" }, field);
    const end = (save) => {
      if (!this.renaming) return;
      this.renaming = false;
      if (save) this.saveTitle(item, field.value.trim());
      this.draw();
      document.getElementById(`rename-${item.id}`)?.focus();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      end(true);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      end(false);
    });
    field.addEventListener("blur", () => end(true));
    this.renaming = true;
    node.replaceChildren(form);
    field.select();
    field.focus();
  }

  async saveTitle(item, title) {
    if (!title || title === item.title) return;
    const before = item.title;
    item.title = title;
    try {
      Object.assign(item, await api.rename(item.id, title));
      this.onChanged(item.id);
    } catch {
      item.title = before;
      notify(t("renameFailed"));
    }
    this.draw();
  }

  async remove(item, title) {
    const { yes, more } = await confirmedWith(t("removeAsk", title), t("removeEverywhere"));
    if (!yes) return;
    try {
      if (more) keepReceipt(await api.forget({ session: item.id }));
      else await api.erase(item.id);
    } catch (error) {
      if (error.status !== 404) return notify(t("deleteFailed"));
    }
    this.items = this.items.filter(({ id }) => id !== item.id);
    this.draw();
    notify(t("removed"));
    this.onGone(item.id);
    this.onChanged(item.id);
  }
}

function midnight() {
  return new Date().setHours(0, 0, 0, 0);
}

/** Returns `[key, items]` for each span of days that has any. */
function groups(items) {
  const today = midnight();
  const found = { today: [], yesterday: [], week: [], older: [] };
  for (const item of items) {
    const at = item.updated_at * 1000;
    if (at >= today) found.today.push(item);
    else if (at >= today - DAY_MS) found.yesterday.push(item);
    else if (at >= today - 7 * DAY_MS) found.week.push(item);
    else found.older.push(item);
  }
  return Object.entries(found).filter(([, group]) => group.length);
}

function when(seconds) {
  const date = new Date(seconds * 1000);
  const options = date >= midnight() ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(document.documentElement.lang, options).format(date);
}
