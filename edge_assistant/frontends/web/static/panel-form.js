// Fields as all panels draw them.

import { el } from "./dom.js";

/** Returns a field with its label above and a hint below. */
export function labelled(label, field, hint = "") {
  if (hint) field.setAttribute("aria-describedby", `${field.id}-hint`);
  const below = hint ? el("p", { class: "muted small", id: `${field.id}-hint` }, hint) : null;
  return el("div", { class: "field" }, el("label", { for: field.id }, label), field, below);
}

/** Returns a choice between `options`, each `[value, words]`. */
export function choice(id, options, chosen, props = {}) {
  const known = options.some(([value]) => value === chosen) ? options : [...options, [chosen, chosen]];
  const select = el("select", { id, ...props }, ...known.map(([value, words]) => el("option", { value }, words)));
  select.value = chosen;
  return select;
}

/** Returns a line of text to be edited. */
export function line(id, value, props = {}) {
  const field = el("input", { id, type: "text", autocomplete: "off", ...props });
  field.value = value;
  return field;
}

const LANGUAGES = ["en", "de", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "zh"];

/** Returns the languages that models know well, `[code, name]`, in words of the page's language. */
export function languages() {
  const names = new Intl.DisplayNames([document.documentElement.lang], { type: "language" });
  return LANGUAGES.map((code) => [code, names.of(code)]);
}

/** Returns a button that carries out `work()` once at a time. */
export function actionButton(words, work, className = "primary") {
  const button = el("button", { type: "button", class: className }, words);
  button.addEventListener("click", async () => {
    button.disabled = true;
    await work(button);
    button.disabled = false;
  });
  return button;
}
