// Looks for words in all chats while they are typed.

import * as api from "./api.js";
import { el } from "./dom.js";
import { t } from "./text.js";

const WAIT_MS = 250;
const BEGIN = "\u0002"; // around each hit in a snippet
const END = "\u0003";

export class Search {
  /** `onFound(nodes)` gets what to show instead of the list, null when nothing is looked for. */
  constructor(field, { onFound, onOpen }) {
    Object.assign(this, { field, onFound, onOpen });
    this.timer = 0;
    field.addEventListener("input", () => this.typed());
    field.addEventListener("keydown", (event) => event.key === "Escape" && field.value && this.leave(event));
  }

  leave(event) {
    event.preventDefault();
    this.field.value = "";
    this.typed();
  }

  typed() {
    clearTimeout(this.timer);
    if (!this.field.value.trim()) this.onFound(null);
    else this.timer = setTimeout(() => this.look(this.field.value.trim()), WAIT_MS);
  }

  async look(words) {
    const hits = await api.search(words).catch(() => null);
    if (!hits || words !== this.field.value.trim()) return;
    const count = el("p", { class: "muted no-chats", role: "status" }, hits.length ? t("searchFound", hits.length) : t("searchNone", words));
    this.onFound([count, el("ul", { "aria-label": t("search") }, ...hits.map((hit) => this.item(hit)))]);
  }

  item(hit) {
    const where = hit.snippet ? marked(hit.snippet) : [t("inTitle")];
    return el(
      "li",
      { class: "session" },
      el(
        "button",
        { type: "button", class: "pick hit", onclick: () => this.onOpen(hit) },
        el("span", { class: "name", dir: "auto" }, hit.title || t("untitled")),
        el("span", { class: "snippet", dir: "auto" }, ...where),
      ),
    );
  }
}

/** Returns a snippet with its hits as marks. */
function marked(snippet) {
  return snippet.split(BEGIN).flatMap((piece, index) => {
    if (!index) return [piece];
    const [hit, rest = ""] = piece.split(END);
    return [el("mark", {}, hit), rest];
  });
}
