// Makes and mends DOM nodes. Text goes in as text: nothing in this page ever parses HTML.

/** Returns an element; `props` are attributes, `on*` functions listeners, children nodes or strings. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** Returns an element of a drawing. */
export function svgEl(tag, props, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Returns a 24×24 line icon; `paths` is the `d` of one path. */
export function icon(paths) {
  return svgEl("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svgEl("path", { d: paths }));
}

/** Returns a button with an icon and a name for those who don't see it. */
export function iconButton(paths, label, onclick, className = "icon-button") {
  return el("button", { type: "button", class: className, "aria-label": label, title: label, onclick }, icon(paths));
}

/** Adds a style sheet of this device once; resolves when its looks are there. */
export function loadStyle(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    document.head.append(el("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });
}

export const ICONS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  edit: "M4 20h4L19 9l-4-4L4 16v4zM13.5 6.5l4 4",
  home: "M4 11l8-7 8 7M6 10v10h12V10M10 20v-6h4v6",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  retry: "M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5",
  wrong: "M7 4v10M7 14l4 7a2 2 0 0 0 2-2v-4h5a2 2 0 0 0 2-2.500l-1.500-7A2 2 0 0 0 16.500 4H7M7 4H4v10h3",
  done: "M5 12.5l4.5 4.5L19 7.5",
  send: "M12 20V5M5.5 11.5L12 5l6.5 6.5",
  stop: "M7 7h10v10H7z",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M3 20a6 6 0 0 1 12 0M16 4.500a3.500 3.500 0 0 1 0 6M18 14.500a6 6 0 0 1 3 5.500",
  save: "M12 4v11M7 10.500l5 5 5-5M5 20h14",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5",
  close: "M6 6l12 12M18 6L6 18",
  microphone: "M12 4a3 3 0 0 0-3 3v4a3 3 0 0 0 6 0V7a3 3 0 0 0-3-3M6 11a6 6 0 0 0 12 0M12 17v3M9 20h6",
};

/**
 * Changes the children of `parent` into `wanted`, touching only what differs, so that selected text
 * stays selected and nothing that is already there moves.
 */
export function patchChildren(parent, wanted, first = 0) {
  const present = Array.from(parent.childNodes).slice(first);
  wanted.forEach((node, index) => {
    const old = present[index];
    if (!old) parent.append(node);
    else patch(old, node);
  });
  for (const extra of present.slice(wanted.length)) extra.remove();
}

function patch(old, node) {
  if (old.nodeType === Node.TEXT_NODE && node.nodeType === Node.TEXT_NODE) {
    patchText(old, node.data);
  } else if (sameElement(old, node)) {
    patchChildren(old, Array.from(node.childNodes));
  } else {
    old.replaceWith(node);
  }
}

function patchText(old, text) {
  if (text === old.data) return;
  if (text.startsWith(old.data)) old.appendData(text.slice(old.data.length));
  else old.data = text;
}

function sameElement(old, node) {
  if (old.nodeName !== node.nodeName || old.nodeType !== Node.ELEMENT_NODE) return false;
  if (old.attributes.length !== node.attributes.length) return false;
  return Array.from(node.attributes).every(({ name, value }) => old.getAttribute(name) === value);
}
