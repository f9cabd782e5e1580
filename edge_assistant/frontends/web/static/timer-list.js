// What is set to ring, as a list that follows time; on the panel of timers and on that of the house.

import { say } from "./abilities-text.js";
import { call } from "./api.js";
import { el } from "./dom.js";
import { notify } from "./notices.js";
import { actionButton } from "./panel-form.js";

const LOOK_MS = 1000;

/** Returns the list and what draws it anew; `onDrawn(count)` is told how many there are. */
export function timerList(onDrawn = () => {}) {
  const list = el("ul", { class: "abilities" });
  const draw = async () => {
    const { timers } = await call("GET", "/api/timers");
    keep(list, timers, draw);
    onDrawn(timers.length);
  };
  return { list, draw };
}

/** Draws every second until `node` has left the page. */
export async function again(node, draw) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (!node.isConnected) return;
    if (!document.hidden) await draw().catch(() => {});
  }
}

/** Carries on with what comes of `work()`, or says what went wrong. */
export async function attempt(work, then) {
  try {
    await then(await work());
  } catch ({ message }) {
    notify(say("failed", message));
  }
}

/** Brings rows in line with what there is; one that did not change in kind keeps its buttons and the focus. */
function keep(list, found, draw) {
  const known = new Map(Array.from(list.children, (row) => [row.dataset.key, row]));
  const rows = found.map((each) => {
    const key = [each.id, each.paused, each.ringing].join();
    const row = known.get(key) ?? timerRow(each, draw);
    row.dataset.key = key;
    row.querySelector(".left").textContent = leftWords(each);
    return row;
  });
  if (!rows.length) rows.push(known.get("none") ?? el("li", { class: "muted", "data-key": "none" }, say("noTimers")));
  const same = rows.length === list.children.length && rows.every((row, at) => row === list.children[at]);
  if (!same) list.replaceChildren(...rows);
}

function timerRow({ id, kind, label, paused, ringing, local }, draw) {
  const name = label ? `${say("kinds")[kind]}: ${label}` : say("kinds")[kind];
  const step = (key) => {
    const button = actionButton(say(key), () => attempt(() => call("POST", `/api/timers/${id}`, { step: key }), draw), "quiet");
    button.setAttribute("aria-label", say("named", say(key), name));
    return button;
  };
  const hold = local ? [] : [step(paused ? "resume" : "pause")];
  const steps = ringing ? [step("stop")] : [...hold, step("cancel")];
  const words = el("span", { class: "grow", dir: "auto" }, name);
  return el("li", { class: ringing ? "ringing" : "" }, words, el("span", { class: "left" }), ...steps);
}

function leftWords({ left_seconds: left, local, paused, ringing }) {
  if (ringing) return say("rings");
  const shown = { weekday: "short", hour: "2-digit", minute: "2-digit" };
  if (local) return new Intl.DateTimeFormat(document.documentElement.lang, shown).format(new Date(local));
  const whole = Math.ceil(left);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  const words = (parts[0] === "00" ? parts.slice(1) : parts).join(":");
  return paused ? say("paused", words) : words;
}
