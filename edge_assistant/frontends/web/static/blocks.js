// Markdown as blocks, without DOM: headings, paragraphs, fences, lists, quotes, tables, rules.

const DEEPEST = 12;
const FENCE = /^( {0,3})(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)(.*))?$/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const BLANK = /^\s*$/;

/** Returns the blocks of `text`, each with `line`, the number of its first line. */
export function parseBlocks(text) {
  return parseLines(text.split("\n").map((line) => line.replace(/\r$/, "")), 0);
}

function parseLines(lines, depth) {
  const blocks = [];
  for (let at = 0; at < lines.length; ) {
    if (BLANK.test(lines[at])) {
      at += 1;
      continue;
    }
    const [block, next] = readBlock(lines, at, depth);
    blocks.push({ ...block, line: at });
    at = next;
  }
  return blocks;
}

function readBlock(lines, at, depth) {
  const line = lines[at];
  const nest = depth < DEEPEST;
  if (FENCE.test(line)) return readFence(lines, at);
  if (HEADING.test(line)) return [heading(line), at + 1];
  if (RULE.test(line)) return [{ kind: "rule" }, at + 1];
  if (nest && QUOTE.test(line)) return readQuote(lines, at, depth);
  if (nest && ITEM.test(line)) return readList(lines, at, depth);
  if (startsTable(lines, at)) return readTable(lines, at);
  if (/^(?: {4}|\t)/.test(line)) return readIndented(lines, at);
  return readParagraph(lines, at);
}

function heading(line) {
  const [, marks, text = ""] = HEADING.exec(line);
  return { kind: "heading", level: marks.length, text: text.trim().replace(/(?:^|[ \t])#+$/, "") };
}

function readFence(lines, at) {
  const [, indent, mark, info] = FENCE.exec(lines[at]);
  const closing = new RegExp(`^ {0,3}${mark[0]}{${mark.length},}[ \\t]*$`);
  const margin = new RegExp(`^ {0,${indent.length}}`);
  const body = [];
  let next = at + 1;
  while (next < lines.length && !closing.test(lines[next])) body.push(lines[next++].replace(margin, ""));
  const closed = next < lines.length;
  return [{ kind: "code", language: info.trim().split(/\s/)[0].slice(0, 30), text: body.join("\n"), closed }, next + 1];
}

function readIndented(lines, at) {
  const body = [];
  let next = at;
  while (next < lines.length && (/^(?: {4}|\t)/.test(lines[next]) || BLANK.test(lines[next]))) {
    body.push(lines[next++].replace(/^(?: {4}|\t)/, ""));
  }
  return [{ kind: "code", language: "", text: body.join("\n").trimEnd(), closed: true }, next];
}

function readQuote(lines, at, depth) {
  const body = [];
  let next = at;
  while (next < lines.length && !BLANK.test(lines[next])) {
    if (!QUOTE.test(lines[next]) && interrupts(lines, next)) break;
    body.push(lines[next++].replace(QUOTE, ""));
  }
  return [{ kind: "quote", blocks: parseLines(body, depth + 1) }, next];
}

function readList(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  const ordered = /\d/.test(first[2]);
  const list = { kind: "list", ordered, start: ordered ? Number.parseInt(first[2], 10) : 1, items: [] };
  let next = at;
  while (next < lines.length) {
    const item = ITEM.exec(lines[next]);
    if (!item || RULE.test(lines[next]) || item[2].at(-1) !== first[2].at(-1)) break;
    const [body, end] = readItem(lines, next, item);
    list.items.push(parseLines(body, depth + 1));
    next = skipBlank(lines, end);
  }
  return [list, next];
}

/** The lines of one item without its margin. Models indent nested lists by 2 to 4 columns: all count. */
function readItem(lines, at, [, indent, marker, gap = " ", text = ""]) {
  const wide = gap.length > 4;
  const width = indent.length + marker.length + (wide ? 1 : gap.length);
  const body = [wide ? gap.slice(1) + text : text];
  let fence = isFence(body[0]);
  let next = at + 1;
  for (; next < lines.length; next += 1) {
    const line = lines[next].replace(/^\t/, "    ");
    const margin = line.search(/\S/);
    if (margin < 0) {
      if (!continues(lines, next, indent.length + 2)) break;
      body.push("");
    } else if (margin >= indent.length + 2) {
      body.push(line.slice(Math.min(margin, width)));
    } else if (!fence && body.at(-1) !== "" && !ITEM.test(line) && !interrupts(lines, next)) {
      body.push(line.trimStart());
    } else break;
    if (isFence(body.at(-1))) fence = !fence;
  }
  return [body, next];
}

function isFence(line) {
  return /^ {0,3}(`{3,}|~{3,})/.test(line);
}

function continues(lines, at, indent) {
  const next = skipBlank(lines, at);
  return next < lines.length && lines[next].replace(/^\t/, "    ").search(/\S/) >= indent;
}

function skipBlank(lines, at) {
  let next = at;
  while (next < lines.length && BLANK.test(lines[next])) next += 1;
  return next;
}

function startsTable(lines, at) {
  const below = lines[at + 1];
  if (below === undefined || !lines[at].includes("|") || !DELIMITERS.test(below)) return false;
  return cells(lines[at]).length === cells(below).length;
}

function readTable(lines, at) {
  const head = cells(lines[at]);
  const align = cells(lines[at + 1]).map((cell) => {
    if (!cell.endsWith(":")) return "start";
    return cell.startsWith(":") ? "center" : "end";
  });
  const rows = [];
  let next = at + 2;
  while (next < lines.length && !BLANK.test(lines[next]) && !interrupts(lines, next)) {
    const row = cells(lines[next++]);
    rows.push(head.map((_, column) => row[column] ?? ""));
  }
  return [{ kind: "table", head, align, rows }, next];
}

function cells(line) {
  const found = [];
  let cell = "";
  let code = false;
  const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  for (let at = 0; at < inner.length; at += 1) {
    const char = inner[at];
    if (char === "\\" && inner[at + 1] === "|") cell += inner[++at];
    else if (char === "|" && !code) {
      found.push(cell.trim());
      cell = "";
    } else {
      if (char === "`") code = !code;
      cell += char;
    }
  }
  found.push(cell.trim());
  return found;
}

function readParagraph(lines, at) {
  const body = [lines[at].trim()];
  let next = at + 1;
  while (next < lines.length && !BLANK.test(lines[next]) && !interrupts(lines, next)) {
    body.push(lines[next++].trim());
  }
  return [{ kind: "paragraph", text: body.join("\n") }, next];
}

/** Returns whether the line ends a paragraph above it although no blank line stands between. */
function interrupts(lines, at) {
  const line = lines[at];
  const item = ITEM.exec(line);
  if (item && item[4] && (!/\d/.test(item[2]) || Number.parseInt(item[2], 10) === 1)) return true;
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || startsTable(lines, at);
}
