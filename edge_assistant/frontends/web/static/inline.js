// The inside of a Markdown paragraph: code, bold, italic, strike, links, line breaks. Builds nodes only.

import { el } from "./dom.js";
import { t } from "./text.js";

const DEEPEST = 8;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const URL_HERE = /https?:\/\/[^\s<>"`|\\^{}]+/y;
const BREAK_HERE = /<br\s{0,3}\/?>/iy;
const AUTOLINK_HERE = /<((?:https?:\/\/|mailto:)[^\s<>]+)>/iy;
const WORD = /[\p{L}\p{N}]/u;
const MARKS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "del"],
  ["*", "em"],
  ["_", "em"],
];

/** Returns `href` as the browser will open it when people may be led there, else null. */
export function safeUrl(href) {
  if (!/^(https?:\/\/|mailto:)/i.test(href)) return null;
  try {
    const url = new URL(href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function link(href, children) {
  return el("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/** Returns the nodes of `text`; `live` closes marks that are still open because more text is coming. */
export function inlineNodes(text, live = false, depth = 0) {
  return new Scanner(text, live, depth).run();
}

class Scanner {
  constructor(text, live, depth) {
    this.text = text;
    this.live = live;
    this.depth = depth;
    this.at = 0;
    this.plain = "";
    this.nodes = [];
    this.missing = new Set(); // marks that have no end in the rest of the text: looked for once only
    this.brackets = depth < DEEPEST ? pairBrackets(text) : new Map();
  }

  run() {
    while (this.at < this.text.length) {
      if (!this.special()) this.plain += this.text[this.at++];
    }
    this.flush();
    return this.nodes;
  }

  special() {
    switch (this.text[this.at]) {
      case "\n":
        return this.lineBreak(1);
      case "\\":
        return this.escape();
      case "`":
        return this.code();
      case "*":
      case "_":
      case "~":
        return this.marked();
      case "!":
        return this.text[this.at + 1] === "[" && this.bracketed(this.at + 1, "");
      case "[":
        return this.bracketed(this.at, null);
      case "<":
        return this.angle();
      case "h":
        return this.bareUrl();
      default:
        return false;
    }
  }

  push(node, end) {
    this.flush();
    this.nodes.push(node);
    this.at = end;
    return true;
  }

  flush() {
    if (this.plain) this.nodes.push(document.createTextNode(this.plain));
    this.plain = "";
  }

  lineBreak(length) {
    this.plain = this.plain.trimEnd();
    return this.push(el("br"), this.at + length);
  }

  escape() {
    const next = this.text[this.at + 1];
    if (next === "\n") return this.lineBreak(2);
    if (!next || !ESCAPABLE.test(next)) return false;
    this.plain += next;
    this.at += 2;
    return true;
  }

  code() {
    const ticks = runLength(this.text, this.at, "`");
    const start = this.at + ticks;
    const end = this.findTicks(start, ticks);
    if (end < 0 && !(this.live && start < this.text.length)) {
      this.plain += "`".repeat(ticks);
      this.at = start;
      return true;
    }
    const raw = this.text.slice(start, end < 0 ? undefined : end).replace(/\n/g, " ");
    const inner = /^ .*[^ ].* $/.test(raw) ? raw.slice(1, -1) : raw;
    return this.push(el("code", {}, inner), end < 0 ? this.text.length : end + ticks);
  }

  findTicks(from, ticks) {
    const key = `\`${ticks}`;
    if (this.missing.has(key)) return -1;
    for (let at = this.text.indexOf("`", from); at >= 0; ) {
      const length = runLength(this.text, at, "`");
      if (length === ticks) return at;
      at = this.text.indexOf("`", at + length);
    }
    this.missing.add(key);
    return -1;
  }

  marked() {
    const [mark, tag] = MARKS.find(([each]) => this.text.startsWith(each, this.at)) ?? [];
    if (!mark || this.depth >= DEEPEST || !this.opens(mark)) return this.skipRun();
    const start = this.at + mark.length;
    let end = this.findMark(mark, start);
    if (end < 0 && this.live && mark.length === 2) end = this.text.length;
    if (end < 0) return this.skipRun();
    const inner = inlineNodes(this.text.slice(start, end), this.live, this.depth + 1);
    return this.push(el(tag, {}, ...inner), Math.min(end + mark.length, this.text.length));
  }

  skipRun() {
    const length = runLength(this.text, this.at, this.text[this.at]);
    this.plain += this.text.slice(this.at, this.at + length);
    this.at += length;
    return true;
  }

  opens(mark) {
    const after = this.text[this.at + mark.length];
    if (!after || /\s/.test(after)) return false;
    return mark[0] !== "_" || !WORD.test(this.text[this.at - 1] ?? " ");
  }

  findMark(mark, from) {
    if (this.missing.has(mark)) return -1;
    for (let at = from; at < this.text.length; ) {
      const char = this.text[at];
      if (char === "\\") at += 2;
      else if (char === "`") at = this.afterCode(at);
      else if (char !== mark[0]) at += 1;
      else {
        const length = runLength(this.text, at, char);
        if (this.closes(mark, at, length, from)) return mark.length === 1 ? at : at + length - 2;
        at += length;
      }
    }
    this.missing.add(mark);
    return -1;
  }

  afterCode(at) {
    const ticks = runLength(this.text, at, "`");
    const end = this.findTicks(at + ticks, ticks);
    return (end < 0 ? at : end) + ticks;
  }

  closes(mark, at, length, from) {
    if (at === from || /\s/.test(this.text[at - 1])) return false;
    if (mark.length === 1 ? length === 2 : length < 2) return false;
    return mark[0] !== "_" || !WORD.test(this.text[at + length] ?? " ");
  }

  /** `[text](address)`; an image becomes a link, because fetching it would tell another host. */
  bracketed(open, imageAlt) {
    const close = this.brackets.get(open);
    if (close === undefined || this.text[close + 1] !== "(") return false;
    const target = readTarget(this.text, close + 2);
    if (!target) return false;
    const label = this.text.slice(open + 1, close);
    const href = safeUrl(target.href);
    const inner = imageAlt === null ? inlineNodes(label, false, this.depth + 1) : [t("image", label || target.href)];
    return this.push(href ? link(href, inner) : el("span", {}, ...inner), target.end);
  }

  angle() {
    BREAK_HERE.lastIndex = AUTOLINK_HERE.lastIndex = this.at;
    const line = BREAK_HERE.exec(this.text);
    if (line) return this.lineBreak(line[0].length);
    const found = AUTOLINK_HERE.exec(this.text);
    const href = found && safeUrl(found[1]);
    return href ? this.push(link(href, [found[1].replace(/^mailto:/i, "")]), this.at + found[0].length) : false;
  }

  bareUrl() {
    if (WORD.test(this.text[this.at - 1] ?? " ")) return false;
    URL_HERE.lastIndex = this.at;
    const found = URL_HERE.exec(this.text);
    if (!found) return false;
    let shown = found[0].replace(/[.,;:!?'"*_~\]]+$/, "");
    if (shown.endsWith(")") && !shown.includes("(")) shown = shown.slice(0, -1);
    const href = safeUrl(shown);
    return href ? this.push(link(href, [shown]), this.at + shown.length) : false;
  }
}

function runLength(text, at, char) {
  let end = at;
  while (text[end] === char) end += 1;
  return end - at;
}

function pairBrackets(text) {
  const pairs = new Map();
  const open = [];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "[") open.push(at);
    else if (text[at] === "]" && open.length) pairs.set(open.pop(), at);
  }
  return pairs;
}

const TARGET = /\s*(?:<([^<>\n]*)>|((?:[^\s()]|\([^\s()]*\))*))(?:\s+(?:"[^"\n]*"|'[^'\n]*'))?\s*\)/y;

function readTarget(text, at) {
  TARGET.lastIndex = at;
  const found = TARGET.exec(text);
  return found ? { href: found[1] ?? found[2], end: at + found[0].length } : null;
}
