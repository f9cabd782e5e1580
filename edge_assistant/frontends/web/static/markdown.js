// Draws Markdown as DOM nodes, whole or while it arrives. No HTML is ever parsed, no image loaded.

import { parseBlocks } from "./blocks.js";
import { el, ICONS, icon, patchChildren } from "./dom.js";
import { inlineNodes } from "./inline.js";
import { t } from "./text.js";

const LIVE_BLOCKS = 2; // a list and what follows it may still turn out to be one block

/** Returns the nodes of a whole Markdown text. */
export function markdownNodes(text) {
  return parseBlocks(text).map((block) => blockNode(block, false));
}

/**
 * Draws a text that grows at its end. Blocks that can't change any more are drawn once; only the
 * last ones are read again, and patched rather than replaced.
 */
export class LiveMarkdown {
  constructor(parent) {
    this.parent = parent;
    this.settled = 0; // children of parent that are final
    this.from = 0; // where in the text the first block that isn't final begins
  }

  draw(text) {
    const rest = text.slice(this.from);
    const blocks = parseBlocks(rest);
    const nodes = blocks.map((block, index) => blockNode(block, index === blocks.length - 1));
    patchChildren(this.parent, nodes, this.settled);
    if (blocks.length > LIVE_BLOCKS) this.settle(rest, blocks);
  }

  settle(rest, blocks) {
    const count = blocks.length - LIVE_BLOCKS;
    this.settled += count;
    this.from += lineOffset(rest, blocks[count].line);
  }

  /** Draws the final text from its beginning. */
  finish(text) {
    patchChildren(this.parent, markdownNodes(text));
  }
}

function lineOffset(text, line) {
  let offset = 0;
  for (let count = 0; count < line; count += 1) offset = text.indexOf("\n", offset) + 1;
  return offset;
}

function blockNode(block, live) {
  return DRAW[block.kind](block, live);
}

const DRAW = {
  paragraph: ({ text }, live) => el("p", {}, ...inlineNodes(text, live)),
  // The page owns h1 and h2: an answer's headings stand below them.
  heading: ({ level, text }, live) => el(`h${Math.min(level + 2, 6)}`, {}, ...inlineNodes(text, live)),
  rule: () => el("hr"),
  quote: ({ blocks }, live) => el("blockquote", {}, ...nested(blocks, live)),
  list: ({ ordered, start, items }, live) =>
    el(
      ordered ? "ol" : "ul",
      { start: ordered && start !== 1 ? start : null },
      ...items.map((blocks, index) => el("li", {}, ...itemNodes(blocks, live && index === items.length - 1))),
    ),
  code: ({ language, text }) => codeNode(language, text),
  table: ({ head, align, rows }, live) =>
    el("div", { class: "table", tabindex: "0", role: "region", "aria-label": t("table") }, tableNode(head, align, rows, live)),
};

function nested(blocks, live) {
  return blocks.map((block, index) => blockNode(block, live && index === blocks.length - 1));
}

/** A list item that begins with a paragraph shows its words without the paragraph's margins. */
function itemNodes(blocks, live) {
  const [first, ...rest] = blocks;
  if (first?.kind !== "paragraph") return nested(blocks, live);
  return [...inlineNodes(first.text, live && !rest.length), ...nested(rest, live)];
}

function codeNode(language, text) {
  const copy = el("button", { type: "button", class: "copy-code", "aria-label": t("copyCode") }, icon(ICONS.copy), t("copy"));
  const bar = el("div", { class: "code-bar" }, el("span", {}, language || t("code")), copy);
  const label = language ? t("codeIn", language) : t("code");
  const code = el("pre", { tabindex: "0", role: "region", "aria-label": label }, el("code", {}, text));
  return el("div", { class: "code" }, bar, code);
}

function tableNode(head, align, rows, live) {
  const row = (texts, tag) =>
    el("tr", {}, ...texts.map((text, column) => el(tag, { class: `align-${align[column]}` }, ...inlineNodes(text, live))));
  return el(
    "table",
    {},
    el("thead", {}, row(head, "th")),
    el("tbody", {}, ...rows.map((texts) => row(texts, "td"))),
  );
}
