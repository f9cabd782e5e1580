// What an answer stands on: the list below it, and the numbers in its text that lead there.

import { el } from "./dom.js";
import { safeUrl } from "./inline.js";
import { t } from "./text.js";

const FEW_SOURCES = 4;
const NUMBER = /\[(\d{1,3})\]/g;
const NOT_IN = "a, button, code, pre";

/** Returns what the answer stands on, by the numbers it cites; a link where there is an address. */
export function sourceList(sources) {
  if (!sources.length) return null;
  const items = sources.map((source) => el("li", { value: source.n }, leading(source, words(source))));
  return el("details", { class: "sources", open: sources.length <= FEW_SOURCES }, el("summary", {}, t("sources", sources.length)), el("ol", {}, ...items));
}

/** Lets each number in `body` that names a source lead where the source's line below leads. */
export function linkNumbers(body, sources) {
  const named = new Map(sources.filter(leadsAnywhere).map((source) => [Number(source.n), source]));
  if (!named.size) return;
  const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    if (!text.parentElement.closest(NOT_IN)) text.replaceWith(...pieces(text.data, named));
  }
}

function pieces(text, named) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(NUMBER)) {
    const source = named.get(Number(found[1]));
    if (!source) continue;
    nodes.push(text.slice(end, found.index), leading(source, found[0], { "aria-label": `${found[1]}: ${words(source)}` }));
    end = found.index + found[0].length;
  }
  return [...nodes, text.slice(end)].filter(Boolean);
}

/** A web page opens there; a passage of another document opens where it stands (`.cite`, heard by the app). */
function leading(source, shown, more = {}) {
  const href = safeUrl(source.url ?? "");
  if (href) return el("a", { href, target: "_blank", rel: "noopener noreferrer", ...more }, shown);
  if (!leadsAnywhere(source)) return el("span", { dir: "auto" }, shown);
  const place = { "data-document": source.source, "data-place": source.place ?? 0 };
  return el("button", { type: "button", class: "cite", ...place, dir: "auto", ...more }, shown);
}

/** Returns a place such as `page 3, Errors` in the page's language. */
export function placeWords(where) {
  return (where ?? "").replace(/^pages? (?=\d)/, (found) => t("places")[found.trim()] + " ");
}

function leadsAnywhere({ kind, source, url }) {
  return Boolean(safeUrl(url ?? "") || (kind === "document" && source));
}

function words({ kind, title, where, mine }) {
  const memory = t(mine ? "sourceMemory" : "sourceOthers");
  return [kind === "memory" ? memory : title || t("sourceDocument"), placeWords(where)].filter(Boolean).join(", ");
}
