// One thing of the house: its name, how it is, and what it can be told.

import { call } from "./api.js";
import { asked } from "./asked.js";
import { el, icon } from "./dom.js";
import { say } from "./home-text.js";
import { notify } from "./notices.js";
import { attempt } from "./timer-list.js";

const OFF = ["off", "unknown", "standby", "closed", "locked", "docked", "idle", "disarmed", "paused", "stopped"];
const QUIET = ["turn_on", "turn_off", "toggle", "set_hvac_mode", "select_option", "volume_mute", "media_stop"];
const POWER = "M12 4v8M7 6.500a7.500 7.500 0 1 0 10 0";
const GAUGE = "M5 18a8 8 0 1 1 14 0M12 15l4-5";
const PATHS = {
  light: "M9 18h6M10 21h4M8.500 15a6 6 0 1 1 7 0",
  cover: "M5 4h14M6 4v13h12V4M6 8h12M6 12h12M12 17v3",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  climate: "M10 14V5a2 2 0 0 1 4 0v9a4 4 0 1 1-4 0",
  fan: "M12 12c-3-8 5-8 0 0zM12 12c8-3 8 5 0 0zM12 12c3 8-5 8 0 0zM12 12c-8 3-8-5 0 0z",
  media_player: "M7 3h10v18H7zM12 17a3 3 0 1 0 0-6 3 3 0 0 0 0 6M12 7h.01",
  scene: "M12 4l2 6 6 2-6 2-2 6-2-6-6-2 6-2z",
  sensor: GAUGE,
  binary_sensor: GAUGE,
};

/** Returns the row of a thing; `look()` is called when something was done. */
export function thingRow(thing, look) {
  const { id, domain, state, available, services, dials, options } = thing;
  const tell = (service, data = {}) => attempt(
    () => call("POST", `/api/home/${encodeURIComponent(id)}`, { service, data, language: document.documentElement.lang.slice(0, 2) }),
    async (result) => {
      if (result.action) ask(row, result, look);
      else notify(result.text);
      await look();
    },
  );
  const turned = services.includes("turn_on") && services.includes("turn_off");
  const on = available && !OFF.includes(state) && (turned || ["cover", "lock", "valve"].includes(domain));
  const words = services.filter((each) => say("services")[each] && !(turned && QUIET.includes(each)) && !same(each, state));
  const row = el(
    "li",
    { class: `thing${on ? " on" : ""}${available ? "" : " away"}`, "data-thing": id },
    head(thing, turned && available ? () => tell(on ? "turn_off" : "turn_on") : null, on),
    ...(available ? dials.map((dial) => dialRow(thing, dial, tell)) : []),
    available && options.length ? choice(thing, tell) : null,
    available && words.length ? el("div", { class: "thing-steps" }, ...words.map((each) => step(thing, each, tell))) : null,
  );
  return row;
}

/** Whether a thing is already as a service would make it. */
const same = (service, state) => (service === "lock" && state === "locked") || (service === "unlock" && state === "unlocked");

function head({ name, domain, words, current }, onclick, on) {
  const now = current === null ? words : `${words}, ${say("now", current.toLocaleString(document.documentElement.lang))}`;
  const parts = [icon(PATHS[domain] ?? POWER), el("span", {}, el("strong", { dir: "auto" }, name), el("span", { class: "muted" }, now))];
  if (!onclick) return el("div", { class: "thing-head" }, ...parts);
  return el("button", { type: "button", class: "thing-head", role: "switch", "aria-checked": String(on), onclick }, ...parts);
}

function step({ name }, service, tell) {
  const words = say("services")[service];
  return el("button", { type: "button", class: "quiet", "aria-label": say("named", words, name), onclick: () => tell(service) }, words);
}

function dialRow({ name }, { what, service, value, low, high, step: by, unit }, tell) {
  const label = say("named", say("dials")[what], name);
  const input = el("input", { type: "range", min: low, max: high, step: by, "aria-label": label });
  input.value = value ?? low;
  const shown = (number) => `${number.toLocaleString(document.documentElement.lang)} ${unit}`;
  const output = el("output", {}, value === null ? "–" : shown(value));
  input.addEventListener("input", () => (output.textContent = shown(Number(input.value))));
  input.addEventListener("change", () => tell(service, { [what]: Number(input.value) }));
  return el("div", { class: "dial" }, input, output);
}

function choice({ name, state, options }, tell) {
  const nodes = options.map((each) => el("option", { value: each }, each));
  const select = el("select", { "aria-label": say("choose", name), onchange: () => tell("select_option", { option: select.value }) }, ...nodes);
  select.value = state;
  return select;
}

/** Asks in the row of the thing; a question about another one is withdrawn by the device, and goes here too. */
function ask(row, { action, summary, pin }, look) {
  for (const older of document.querySelectorAll(".thing .asked-form")) older.remove();
  const here = document.querySelector(`[data-thing="${CSS.escape(row.dataset.thing)}"]`) ?? row;
  const give = async (approve, _, given) => {
    try {
      notify((await call("POST", `/api/actions/${action}`, { approve, pin: given })).text);
      form.remove();
    } catch (error) {
      notify(error.code === "CONFIRMATION_GONE" ? say("gone") : error.message);
      form.remove();
      if (error.code === "PIN_WRONG") ask(row, { action, summary, pin }, look);
    }
    await look().catch(() => {});
  };
  const form = asked({ summary, pin }, give);
  form.prepend(el("p", {}, form.getAttribute("aria-label")));
  here.append(form);
  form.querySelector("input, button").focus();
}
