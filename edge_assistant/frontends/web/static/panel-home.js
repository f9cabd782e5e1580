// The house by rooms: how things are, and what they can be told by a tap. What matters is asked about first.

import { call } from "./api.js";
import { el, loadStyle } from "./dom.js";
import { line } from "./panel-form.js";
import { say } from "./home-text.js";
import { thingRow } from "./home-thing.js";
import { again, timerList } from "./timer-list.js";

const SEARCHED_FROM = 12; // things; fewer are seen at a glance

export async function panel() {
  await Promise.all([loadStyle("/static/abilities.css"), loadStyle("/static/home.css")]);
  const rooms = new Rooms();
  const heading = el("h4", { class: "room", hidden: true }, say("timers"));
  const timers = timerList((count) => {
    heading.hidden = timers.list.hidden = !count;
  });
  await Promise.all([rooms.look(), timers.draw()]);
  again(rooms.node, () => Promise.all([rooms.look(), timers.draw()]));
  return [rooms.search, heading, timers.list, rooms.node];
}

class Rooms {
  constructor() {
    this.node = el("div", { class: "rooms" });
    this.find = line("home-find", "", { type: "search", maxlength: 100, placeholder: say("find"), "aria-label": say("find") });
    this.find.addEventListener("input", () => {
      this.seen = "";
      this.look().catch(() => {});
    });
    this.search = el("div", { class: "field", hidden: true }, this.find);
    this.rows = new Map();
    this.seen = "";
    this.shown = "";
  }

  /** Asks how the house is; what did not change is not sent again. */
  async look() {
    const query = new URLSearchParams({ seen: this.seen, lang: document.documentElement.lang, find: this.find.value });
    const words = this.find.value;
    const body = await call("GET", `/api/home?${query}`);
    if (words !== this.find.value) return; // an answer to what was typed before
    if (body) [this.seen, this.body] = [body.seen, body];
    this.draw(this.body);
  }

  draw({ all, more, rooms }) {
    this.search.hidden = all < SEARCHED_FROM;
    const things = rooms.flatMap((room) => room.things);
    for (const thing of things) this.renew(thing);
    const shown = JSON.stringify([all > 0, more, rooms.map(({ name, things: those }) => [name, those.map(({ id }) => id)])]);
    if (shown === this.shown) return;
    this.shown = shown;
    const ids = new Set(things.map(({ id }) => id));
    for (const id of this.rows.keys()) if (!ids.has(id)) this.rows.delete(id);
    this.node.replaceChildren(...rooms.flatMap((room) => this.room(room)), ...this.rest(all, more, things.length));
  }

  room({ name, things }) {
    const rows = things.map(({ id }) => this.rows.get(id).row);
    return [el("h4", { class: "room", dir: "auto" }, name || say("elsewhere")), el("ul", { class: "things" }, ...rows)];
  }

  rest(all, more, count) {
    if (!all) return [el("p", { class: "muted" }, say("none"))];
    if (!count) return [el("p", { class: "muted" }, say("nothing", this.find.value))];
    return more ? [el("p", { class: "muted" }, say("more", more))] : [];
  }

  /** Puts a new row in the place of one that tells something else, and the focus back where it was. */
  renew(thing) {
    const mark = JSON.stringify(thing);
    const known = this.rows.get(thing.id);
    if (known?.mark === mark || known?.row.querySelector("input:active, select:focus")) return;
    const row = thingRow(thing, () => this.look());
    this.rows.set(thing.id, { row, mark });
    if (!known) return;
    const at = controls(known.row).indexOf(document.activeElement);
    const question = known.row.querySelector(".asked-form");
    if (question) row.append(question);
    known.row.replaceWith(row);
    if (at >= 0) controls(row)[at]?.focus();
  }
}

const controls = (row) => Array.from(row.querySelectorAll("button, input, select"));
