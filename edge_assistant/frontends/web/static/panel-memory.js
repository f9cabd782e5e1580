// The memory browser: what is remembered of whoever is signed in, to search, correct, share, export and forget.

import { call, forget } from "./api.js";
import { el, loadStyle } from "./dom.js";
import { forgetting } from "./memory-forget.js";
import { say } from "./memory-text.js";
import { confirmedWith, keepReceipt, notify } from "./notices.js";
import { actionButton, labelled, line } from "./panel-form.js";

const SEARCH_MS = 250;

export async function panel({ me }) {
  await loadStyle("/static/memory.css");
  const browser = new Browser(me.user.id);
  await browser.show();
  return [
    el("p", { class: "muted small" }, say("intro")),
    browser.adding(),
    browser.searching(),
    browser.problem,
    browser.list,
    el("h3", {}, say("export")),
    el("p", { class: "muted small" }, say("exportText")),
    el("p", {}, download("JSON", "json"), " ", download("Markdown", "markdown")),
    ...forgetting(me.user.id, () => browser.show()),
  ];
}

const download = (words, format) => el("a", { href: `/api/memory/export?format=${format}`, download: "" }, words);
const address = (fact) => `/api/memory/${encodeURIComponent(fact.id)}`;

class Browser {
  constructor(user) {
    this.user = user;
    this.list = el("ul", { class: "memories" });
    this.problem = el("p", { class: "note problem", role: "alert", hidden: true });
    this.query = line("memory-search", "", { type: "search" });
    this.old = el("input", { type: "checkbox", id: "memory-old" });
    this.asked = 0;
  }

  adding() {
    const text = line("memory-new", "", { maxlength: 500 });
    const form = el("form", { class: "fields memory-add" }, labelled(say("add"), text, say("addHint")), el("button", { class: "primary" }, say("add")));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!text.value.trim()) return;
      if (await this.work(() => call("POST", "/api/memory", { text: text.value }))) text.value = "";
    });
    return form;
  }

  searching() {
    let timer = 0;
    this.query.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.show(), SEARCH_MS);
    });
    this.old.addEventListener("change", () => this.show());
    const old = el("p", {}, this.old, " ", el("label", { for: "memory-old" }, say("old")));
    return el("div", { class: "fields" }, labelled(say("search"), this.query), old);
  }

  /** Fetches and draws what the search wants; an answer that was overtaken is dropped. */
  async show() {
    const number = ++this.asked;
    const query = this.query.value.trim();
    const path = query ? `/api/memory?q=${encodeURIComponent(query)}` : `/api/memory?replaced=${this.old.checked ? 1 : 0}`;
    const { facts } = await call("GET", path);
    if (number !== this.asked) return;
    const none = el("li", { class: "muted" }, say(query ? "noHit" : "none"));
    this.list.replaceChildren(...(facts.length ? facts.map((fact) => this.item(fact)) : [none]));
  }

  item(fact) {
    const node = el("li", { class: fact.replaced_by ? "memory old" : "memory" });
    node.append(el("p", { class: "memory-text", dir: "auto" }, fact.text), el("p", { class: "muted small" }, this.about(fact)), this.actions(fact, node));
    return node;
  }

  about(fact) {
    const when = new Date(fact.said_at * 1000).toLocaleDateString(document.documentElement.lang);
    const whose = fact.principal === this.user ? (fact.shared ? say("shared") : "") : say("others");
    return [say("origins")[fact.origin], when, fact.replaced_by ? say("replaced") : "", whose].filter(Boolean).join(" · ");
  }

  actions(fact, node) {
    if (fact.principal !== this.user && fact.principal !== "household") return null;
    const quiet = (words, work) => actionButton(words, work, "quiet small");
    const buttons = [];
    if (!fact.replaced_by) {
      buttons.push(quiet(say("correct"), () => this.edit(fact, node)));
      buttons.push(quiet(say(fact.shared ? "unshare" : "share"), () => this.work(() => call("PATCH", address(fact), { shared: !fact.shared }))));
      if (fact.replaces) buttons.push(quiet(say("undo"), () => this.work(() => call("POST", `${address(fact)}/undo`))));
    }
    buttons.push(quiet(say("forget"), () => this.forget(fact)));
    return el("div", { class: "memory-actions" }, ...buttons);
  }

  edit(fact, node) {
    const text = line(`memory-${fact.id}`, fact.text, { "aria-label": say("correct"), maxlength: 500 });
    const form = el(
      "form",
      { class: "memory-edit field" },
      text,
      el("div", { class: "memory-actions" }, el("button", { class: "primary" }, say("save")), el("button", { type: "button", class: "quiet", onclick: () => this.show() }, say("cancel"))),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.work(() => call("PATCH", address(fact), { text: text.value }));
    });
    node.replaceChildren(form);
    text.focus();
  }

  async forget(fact) {
    const { yes, more } = await confirmedWith(say("forgetSure", fact.text), say("everywhere"));
    if (!yes) return;
    const gone = async () => (more ? keepReceipt(await forget({ memory: fact.id })) : call("DELETE", address(fact)));
    if (await this.work(gone)) notify(say("forgotten"));
  }

  /** Does something, shows what came of it, and returns whether it went well. */
  async work(doing) {
    this.problem.hidden = true;
    try {
      await doing();
      await this.show();
      return true;
    } catch (error) {
      this.problem.textContent = error.message;
      this.problem.hidden = false;
      return false;
    }
  }
}
