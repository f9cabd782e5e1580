// Timers, lists and open questions, as long as somebody looks.

import { say } from "./abilities-text.js";
import { call } from "./api.js";
import { asked } from "./asked.js";
import { el, loadStyle } from "./dom.js";
import { notify } from "./notices.js";
import { actionButton, labelled, line } from "./panel-form.js";

const LOOK_MS = 1000;

export async function panel() {
  await loadStyle("/static/abilities.css");
  const [questions, lists] = [el("div"), el("div")];
  const timers = el("ul", { class: "abilities" });
  const drawTimers = async () => keep(timers, (await call("GET", "/api/timers")).timers, drawTimers);
  const drawQuestions = async () => drawOpen(questions, (await call("GET", "/api/actions")).actions, drawQuestions);
  const drawLists = (found) => lists.replaceChildren(...listNodes(found, drawLists));
  const draw = () => Promise.all([drawTimers(), drawQuestions()]);
  drawLists((await call("GET", "/api/lists")).lists);
  await draw();
  again(timers, draw);
  return [questions, el("h3", {}, say("timers")), timers, newTimer(drawTimers), el("h3", {}, say("lists")), lists, newItem(drawLists)];
}

/** Draws every second until `node` has left the page. */
async function again(node, draw) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (!node.isConnected) return;
    if (!document.hidden) await draw().catch(() => {});
  }
}

/** Carries on with what comes of `work()`, or says what went wrong. */
async function attempt(work, then) {
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

function newTimer(draw) {
  const minutes = line("timer-minutes", "5", { type: "number", min: "0.1", max: "10000", step: "any" });
  const label = line("timer-label", "", { maxlength: 100 });
  const start = () => attempt(
    () => call("POST", "/api/timers", { seconds: Number(minutes.value) * 60, label: label.value }),
    async () => {
      label.value = "";
      await draw();
    },
  );
  return el("div", { class: "abilities-new" }, labelled(say("minutes"), minutes), labelled(say("label"), label), actionButton(say("start"), start));
}

function listNodes(found, draw) {
  if (!found.length) return [el("p", { class: "muted" }, say("noLists"))];
  return found.flatMap(({ name, items }) => {
    const rows = items.map((item) => {
      const take = () => attempt(() => call("DELETE", "/api/lists", { list: name, item }), ({ lists }) => draw(lists));
      const button = actionButton("✕", take, "quiet");
      button.setAttribute("aria-label", say("remove", item));
      return el("li", {}, el("span", { class: "grow", dir: "auto" }, item), button);
    });
    return [el("h4", { dir: "auto" }, name), el("ul", { class: "abilities" }, ...rows)];
  });
}

function newItem(draw) {
  const list = line("list-name", say("shopping"), { maxlength: 100 });
  const item = line("list-item", "", { maxlength: 200 });
  const add = () => attempt(
    () => call("POST", "/api/lists", { list: list.value, item: item.value }),
    ({ lists }) => {
      item.value = "";
      draw(lists);
    },
  );
  return el("div", { class: "abilities-new" }, labelled(say("list"), list), labelled(say("item"), item), actionButton(say("add"), add));
}

/** Shows what the household was asked elsewhere, such as by voice. */
function drawOpen(place, open, draw) {
  const ids = open.map(({ id }) => id).join();
  if ((place.dataset.ids ?? "") === ids) return;
  place.dataset.ids = ids;
  place.replaceChildren(...(open.length ? [el("h3", {}, say("questions"))] : []), ...open.map((each) => question(each, draw)));
}

function question({ id, summary, pin }, draw) {
  const give = (approve, _, given) => attempt(
    () => call("POST", `/api/actions/${id}`, { approve, pin: given }),
    async ({ text }) => {
      notify(text);
      await draw();
    },
  );
  return el("div", {}, el("p", {}, say("asks", summary)), asked({ summary, pin }, give));
}
