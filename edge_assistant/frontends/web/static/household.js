// Devices and people of this household: who is in, letting somebody in, and ending a device.

import { call } from "./api.js";
import { el, ICONS, iconButton } from "./dom.js";
import { showInvitation } from "./invitation.js";
import { confirmed, notify } from "./notices.js";
import { say } from "./household-text.js";

const ROLES = ["member", "guest", "owner"];
const MINE = "";
const NEW = "new";

/** Opens the dialog; owners can let devices and people in there, others see their own devices. */
export async function openHousehold() {
  await tried(async () => new Household(await call("GET", "/api/me")).open());
}

class Household {
  constructor({ user }) {
    this.owner = user.role === "owner";
    this.user = user;
    this.devices = el("ul", { class: "things" });
    this.people = el("ul", { class: "things" });
    this.place = el("div", { "aria-live": "polite" });
    this.dialog = el(
      "dialog",
      { class: "household", "aria-labelledby": "household-title", onclose: () => this.dialog.remove() },
      this.head(),
      this.owner ? this.adding() : null,
      el("h3", {}, say("devices")),
      this.devices,
      this.owner ? el("h3", {}, say("people")) : null,
      this.owner ? this.people : null,
      location.protocol === "https:" ? el("p", {}, el("a", { href: "/trust" }, say("trust"))) : null,
    );
  }

  async open() {
    document.body.append(this.dialog);
    await this.load();
    this.dialog.showModal();
  }

  head() {
    const close = iconButton(ICONS.close, say("close"), () => this.dialog.close());
    return el("div", { class: "household-head" }, el("h2", { id: "household-title" }, say("title")), close);
  }

  adding() {
    this.whose = el("select", { id: "whose", onchange: () => this.chose() });
    this.name = el("input", { id: "new-name", type: "text", autocomplete: "off", maxlength: 60, required: true });
    this.role = el("select", { id: "new-role" }, ...ROLES.map((role) => el("option", { value: role }, say("roles")[role])));
    this.newcomer = el(
      "div",
      { class: "newcomer", hidden: true },
      el("label", { for: "new-name" }, say("name")),
      this.name,
      el("label", { for: "new-role" }, say("role")),
      this.role,
    );
    return el(
      "form",
      { class: "adding", onsubmit: (event) => this.add(event) },
      el("p", {}, say("addText")),
      el("label", { for: "whose" }, say("whose")),
      this.whose,
      this.newcomer,
      el("button", { type: "submit", class: "primary" }, say("show")),
      this.place,
    );
  }

  /** Somebody else is meant: what was shown for the last one ends. */
  chose() {
    this.fit();
    this.place.replaceChildren();
  }

  fit() {
    this.newcomer.hidden = this.whose.value !== NEW;
    this.name.disabled = this.newcomer.hidden;
  }

  add(event) {
    event.preventDefault();
    return tried(async () => {
      const user = await this.chosen();
      await showInvitation(this.place, { user, onPaired: () => this.load() });
    });
  }

  async chosen() {
    if (this.whose.value !== NEW) return this.whose.value;
    const { id } = await call("POST", "/api/users", { name: this.name.value, role: this.role.value });
    await this.load();
    this.whose.value = id;
    this.fit();
    return id;
  }

  async load() {
    const [{ devices }, { users }] = await Promise.all([
      call("GET", "/api/devices"),
      this.owner ? call("GET", "/api/users") : { users: [this.user] },
    ]);
    const names = new Map(users.map(({ id, name }) => [id, name]));
    const items = devices.map((device) => this.device(device, names.get(device.user)));
    this.devices.replaceChildren(...(items.length ? items : [el("li", { class: "muted" }, say("none"))]));
    if (!this.owner) return;
    const others = users.filter(({ id }) => id !== this.user.id);
    this.people.replaceChildren(...users.map((user) => this.person(user)));
    const options = others.map(({ id, name }) => el("option", { value: id }, name || id));
    const chosen = this.whose.value;
    this.whose.replaceChildren(el("option", { value: MINE }, say("mine")), ...options, el("option", { value: NEW }, say("somebody")));
    this.whose.value = chosen || MINE;
    this.fit();
  }

  device({ id, kind, name, scopes, last_seen_at, current }, person) {
    const what = kind === "program" ? `${say("program")}: ${scopes.join(", ")}` : say("seen", when(last_seen_at));
    const label = [person, current ? say("here") : what].filter(Boolean).join(" · ");
    const revoke = () => this.act(() => call("DELETE", `/api/devices/${id}`), say("revoked"));
    return thing(shortName(name), label, current ? null : [say("revokeShort"), say("revoke", shortName(name)), revoke]);
  }

  person({ id, name, role }) {
    const own = id === this.user.id || id === "owner";
    const remove = async () => {
      if (await confirmed(say("removeAsk", name))) await this.act(() => call("DELETE", `/api/users/${id}`), "");
    };
    return thing(name || id, say("roles")[role], own ? null : [say("removeShort"), say("remove", name), remove]);
  }

  act(work, done) {
    return tried(async () => {
      await work();
      if (done) notify(done);
      await this.load();
    });
  }
}

function thing(name, label, action) {
  const words = el("div", {}, el("strong", {}, name), el("span", { class: "muted" }, label));
  if (!action) return el("li", {}, words);
  const [short, long, onclick] = action;
  return el("li", {}, words, el("button", { type: "button", class: "quiet", "aria-label": long, onclick }, short));
}

/** Returns what a browser's long description of itself boils down to. */
function shortName(name) {
  const system = /iPhone|iPad|Android|Windows|Macintosh|CrOS|Linux/.exec(name)?.[0];
  const browser = /Edg|Firefox|Chrome|Safari/.exec(name)?.[0];
  return name.startsWith("Mozilla/") && system ? [browser, system].filter(Boolean).join(", ") : name || "?";
}

const when = (seconds) => new Date(seconds * 1000).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

async function tried(work) {
  try {
    await work();
  } catch (error) {
    notify(error.message || say("failed"));
  }
}
