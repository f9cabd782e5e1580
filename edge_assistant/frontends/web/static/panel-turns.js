// The turn inspector: where the time of the last answers went, as a waterfall on one scale.

import { call } from "./api.js";
import { el, svgEl } from "./dom.js";
import { say } from "./panel-text.js";

const WIDTH = 1000;
const HEIGHT = 22;
const NARROWEST = 3; // a span that was there must be seen
const SPANS = ["queue", "retrieve", "read", "write"];

export async function panel({ openSession }) {
  const { turns } = await call("GET", "/api/turns");
  const timed = turns.filter(({ timings }) => timings?.total_ms);
  if (!timed.length) return [el("p", { class: "muted" }, say("noTurns"))];
  const longest = Math.max(...timed.map(({ timings }) => timings.total_ms));
  const legend = SPANS.map((name) => el("li", {}, el("span", { class: `swatch ${name}` }), say("spans")[name]));
  return [
    el("p", { class: "muted small" }, say("turnsText", seconds(longest))),
    el("ul", { class: "legend", "aria-hidden": "true" }, ...legend),
    el("ol", { class: "turns" }, ...timed.map((turn) => item(turn, longest, openSession))),
  ];
}

/** Returns the milliseconds of each span; what is between them is part of reading. */
export function spansOf({ queue_ms: queue = 0, retrieve_ms: retrieve = 0, first_token_ms: first = 0, total_ms: total = 0 }) {
  const begun = Math.min(first || total, total);
  return { queue, retrieve, read: Math.max(0, begun - queue - retrieve), write: Math.max(0, total - begun) };
}

function item(turn, longest, openSession) {
  const spans = spansOf(turn.timings);
  const words = SPANS.filter((name) => spans[name] >= 1).map((name) => `${say("spans")[name]} ${seconds(spans[name])}`);
  const open = el("button", { type: "button", class: "turn-question", onclick: () => openSession(turn.session) }, turn.question);
  return el(
    "li",
    {},
    el("div", { class: "turn-head" }, open, el("time", {}, when(turn.created_at))),
    waterfall(spans, longest, words.join(", ")),
    el("p", { class: "muted small" }, [seconds(turn.timings.total_ms), ...words].join(" · ")),
    el("p", { class: "muted small" }, about(turn)),
  );
}

function waterfall(spans, longest, label) {
  let at = 0;
  const bars = SPANS.filter((name) => spans[name] > 0).map((name) => {
    const width = Math.max(NARROWEST, (WIDTH * spans[name]) / longest);
    const bar = svgEl("rect", { class: name, x: Math.min(at, WIDTH - width), y: 0, width, height: HEIGHT });
    at += width;
    return bar;
  });
  return svgEl("svg", { class: "waterfall", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...bars);
}

function about({ route, usage, timings, status, error_code }) {
  const parts = [say("statuses")[status] ?? status];
  if (error_code) parts.push(error_code);
  if (route?.model) parts.push(route.rung ? `${route.model} (${route.rung})` : route.model);
  if (usage?.prompt_tokens) parts.push(say("promptTokens", usage.prompt_tokens, usage.cached_tokens ?? 0));
  const { write } = spansOf(timings);
  const count = usage?.completion_tokens ?? 0;
  if (count) parts.push(say("tokens", count));
  if (count > 1 && write > 0) parts.push(say("speed", number(((count - 1) * 1000) / write, 1)));
  return parts.join(" · ");
}

const number = (value, digits) => new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: digits }).format(value);
const seconds = (ms) => `${number(ms / 1000, ms < 1000 ? 3 : 1)} s`;
const when = (at) => new Date(at * 1000).toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "short" });
