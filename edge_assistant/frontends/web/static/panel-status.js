// How the device is, as long as somebody looks.

import * as api from "./api.js";
import { el } from "./dom.js";
import { notify } from "./notices.js";
import { say } from "./panel-text.js";
import { noticeWords } from "./status.js";

const LOOK_MS = 2000;
const GB = 2 ** 30;

export async function panel({ line }) {
  const facts = el("dl", { class: "facts" });
  const notices = el("div", {});
  const memory = el("meter", { min: 0, max: 1, high: 0.9, "aria-label": say("memory") });
  const draw = async () => {
    const status = await api.status();
    const { memory_bytes: all, memory_available_bytes: free } = status.vitals;
    memory.value = all ? (all - free) / all : 0;
    const rows = describe(status, line());
    facts.replaceChildren(...rows.flatMap(([name, words]) => [el("dt", {}, name), el("dd", {}, words)]));
    facts.append(memory);
    if (!notices.contains(document.activeElement)) notices.replaceChildren(...status.notices.map((each) => shown(each, draw)));
  };
  await draw();
  again(facts, draw);
  return [notices, facts];
}

/** Returns a notice, with a button that takes it away when that is for a person to say. */
function shown(notice, draw) {
  const line = el("p", { class: "note problem" }, noticeWords(notice));
  if (!notice.dismissible) return line;
  const done = el("button", { type: "button", class: "quiet" }, say("noticeRead"));
  done.addEventListener("click", async () => {
    done.blur();
    await api.call("DELETE", `/api/notices/${encodeURIComponent(notice.code)}`).catch((error) => notify(error.message));
    await draw();
  });
  line.append(" ", done);
  return line;
}

/** Draws every two seconds until `node` has left the page. */
async function again(node, draw) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (!node.isConnected) return;
    if (!document.hidden) await draw().catch(() => {});
  }
}

function describe({ model, vitals, rss_bytes, uptime_seconds, sockets, version }, line) {
  const { memory_bytes: all, memory_available_bytes: free, temperature_celsius: heat } = vitals;
  const phase = say("phases")[model.phase] ?? model.phase;
  return [
    [say("model"), model.name],
    [say("phase"), model.detail ? `${phase}: ${model.detail}` : phase],
    [say("queue"), line ? say("inLine", line.place, line.seconds) : say("noLine")],
    [say("writes"), speed(model.decode_tokens_per_second)],
    [say("reads"), speed(model.prefill_tokens_per_second)],
    [say("context"), model.context ? say("tokens", number(model.context, 0)) : say("unknown")],
    [say("temperature"), heat === null ? say("noSensor") : `${number(heat)} °C`],
    [say("version"), version],
    [say("uptime"), duration(uptime_seconds)],
    [say("open"), number(sockets, 0)],
    [say("memoryModel"), `${number(vitals.workers_rss_bytes / GB)} GB`],
    [say("memoryDaemon"), `${number(rss_bytes / 2 ** 20, 0)} MB`],
    [say("memory"), say("memoryOf", number((all - free) / GB), number(all / GB))],
  ];
}

const number = (value, digits = 1) => new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: digits }).format(value);
const speed = (rate) => (rate ? say("speed", number(rate)) : say("unknown"));

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  return say("duration", days, hours, minutes % 60);
}
