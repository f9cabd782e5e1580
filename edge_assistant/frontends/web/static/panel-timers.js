// Timers, lists and open questions, as long as somebody looks.

import { say } from "./abilities-text.js";
import { call } from "./api.js";
import { asked } from "./asked.js";
import { el, loadStyle } from "./dom.js";
import { notify } from "./notices.js";
import { actionButton, labelled, line } from "./panel-form.js";
import { again, attempt, timerList } from "./timer-list.js";

export async function panel() {
  await loadStyle("/static/abilities.css");
  const [questions, lists] = [el("div"), el("div")];
  const { list: timers, draw: drawTimers } = timerList();
  const drawQuestions = async () => drawOpen(questions, (await call("GET", "/api/actions")).actions, drawQuestions);
  const drawLists = (found) => lists.replaceChildren(...listNodes(found, drawLists));
  const draw = () => Promise.all([drawTimers(), drawQuestions()]);
  drawLists((await call("GET", "/api/lists")).lists);
  await draw();
  again(timers, draw);
  return [questions, el("h3", {}, say("timers")), timers, newTimer(drawTimers), el("h3", {}, say("lists")), lists, newItem(drawLists)];
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
