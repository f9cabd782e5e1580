// The library: add files and pages, see how they fare, search in them, remove them.

import { call, forget } from "./api.js";
import { placeWords } from "./citation.js";
import { say } from "./documents-text.js";
import { el, ICONS, iconButton, loadStyle } from "./dom.js";
import { confirmedWith, keepReceipt, notify } from "./notices.js";
import { actionButton, choice, labelled, line } from "./panel-form.js";
import { openPassage } from "./passage.js";
import { errorText } from "./text.js";
import { upload } from "./upload.js";

const LOOK_MS = 1500;
const PAUSE_MS = 300;
const KINDS = ["pdf", "html", "markdown", "text", "csv", "notion", "audio"];

export async function panel({ me, files }) {
  await loadStyle("/static/documents.css");
  const library = new Library(me);
  await library.load();
  library.watch();
  if (files?.length) library.take(files);
  return library.nodes;
}

class Library {
  constructor(me) {
    this.documents = [];
    this.counts = {};
    this.most = 0; // bytes that a document may have
    this.asked = 0; // how often the list was asked for: an older answer that comes late is none
    this.timer = 0;
    this.list = el("ul", { class: "documents" });
    this.summary = el("p", { class: "muted small" });
    this.progress = el("div", { class: "uploads", role: "status" });
    this.shared = el("input", { type: "checkbox", id: "documents-shared" });
    this.mayShare = me?.people > 1 && me.user.role !== "guest";
    this.rest = actionButton(say("more"), () => this.load(this.documents.at(-1)?.id), "quiet");
  }

  get nodes() {
    const share = this.mayShare ? el("p", {}, this.shared, " ", el("label", { for: "documents-shared" }, say("share"))) : null;
    return [el("p", { class: "muted" }, say("intro")), this.zone(), share, this.pageField(), this.searchFields(), this.progress, this.summary, this.list, this.rest].filter(Boolean);
  }

  /** A place to drop files; on a phone the picker also offers the camera. */
  zone() {
    const picker = el("input", { type: "file", multiple: true, hidden: true });
    picker.addEventListener("change", () => [this.take(picker.files), (picker.value = "")]);
    const button = el("button", { type: "button", class: "primary", onclick: () => picker.click() }, say("choose"));
    const zone = el("div", { class: "drop" }, el("p", {}, say("drop")), button, picker, el("p", { class: "muted small" }, say("kinds")));
    for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => [event.preventDefault(), zone.classList.add("over")]);
    for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => [event.preventDefault(), event.stopPropagation(), this.take(event.dataTransfer.files)]);
    return zone;
  }

  pageField() {
    const field = line("documents-address", "", { type: "url", inputmode: "url", placeholder: "https://" });
    const add = actionButton(say("fetch"), async () => {
      if (!field.value.trim()) return;
      await this.attempt(field.value, () => call("POST", "/api/documents", { url: field.value.trim(), shared: this.shared.checked }));
      field.value = "";
    }, "quiet");
    field.addEventListener("keydown", (event) => event.key === "Enter" && add.click());
    return el("div", { class: "beside" }, labelled(say("address"), field), add);
  }

  searchFields() {
    this.words = line("documents-search", "", { type: "search", maxlength: "500" });
    this.kind = choice("documents-kind", [["", say("every")], ...KINDS.map((kind) => [kind, say("kindNames")[kind]])], "");
    this.since = line("documents-since", "", { type: "date" });
    for (const field of [this.words, this.kind, this.since]) field.addEventListener("input", () => this.soon());
    return el("div", { class: "filters" }, labelled(say("search"), this.words), labelled(say("kind"), this.kind), labelled(say("since"), this.since));
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.search().catch((error) => notify(errorText(error))), PAUSE_MS);
  }

  async search() {
    const words = this.words.value.trim();
    if (!words) return this.draw();
    const since = this.since.value ? `&since=${new Date(this.since.value).getTime() / 1000}` : "";
    const { passages } = await call("GET", `/api/documents?q=${encodeURIComponent(words)}&source=${this.kind.value}${since}`);
    if (words !== this.words.value.trim()) return;
    this.summary.textContent = passages.length ? "" : say("nothing", words);
    this.rest.hidden = true;
    this.list.replaceChildren(...passages.map(found));
  }

  async load(after = "") {
    const asked = ++this.asked;
    const { documents, counts, max_bytes: most } = await call("GET", `/api/documents?after=${after}`);
    if (asked !== this.asked) return;
    this.documents = after ? [...this.documents, ...documents] : documents;
    Object.assign(this, { counts, most });
    this.draw();
  }

  /** Looks again while something is being read and somebody looks. */
  async watch() {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (!this.list.isConnected) return;
      const { uploading = 0, waiting = 0, reading = 0 } = this.counts;
      const busy = uploading + waiting + reading || this.documents.some(({ pending }) => pending);
      if (busy && !document.hidden && !this.words.value.trim()) await this.load().catch(() => {});
    }
  }

  draw() {
    if (this.words?.value.trim()) return;
    const { kind, since } = this;
    const wanted = (each) => (!kind?.value || each.kind === kind.value) && (!since?.value || each.written_at >= new Date(since.value).getTime() / 1000);
    const { waiting = 0, reading = 0, failed = 0 } = this.counts;
    const all = Object.values(this.counts).reduce((sum, count) => sum + count, 0);
    this.summary.textContent = all ? say("counts", all, waiting + reading, failed) : say("none");
    this.rest.hidden = this.documents.length >= all;
    const focused = document.activeElement?.id;
    this.list.replaceChildren(...this.documents.filter(wanted).map((each) => this.item(each)));
    if (focused?.startsWith("remove-")) document.getElementById(focused)?.focus();
  }

  item(each) {
    const name = each.title || each.name;
    const remove = iconButton(ICONS.trash, say("remove", name), () => this.remove(each, name));
    remove.id = `remove-${each.id}`;
    const state = each.state === "ready" && each.pending ? say("pending", Math.round((100 * (each.chunks - each.pending)) / each.chunks)) : say("states")[each.state];
    const about = [say("kindNames")[each.kind], each.pages ? say("pages", each.pages) : "", each.principal ? "" : say("shared"), state].filter(Boolean).join(" · ");
    const why = each.state === "failed" ? el("p", { class: "note problem" }, say("problems")[each.code] ?? (errorText(each) || each.code)) : null;
    return el("li", { "data-state": each.state }, el("div", {}, el("p", { class: "name", dir: "auto" }, name), el("p", { class: "muted small" }, about), why), remove);
  }

  async remove(each, name) {
    const { yes, more } = await confirmedWith(say("confirm", name), say("everywhere"));
    if (!yes) return;
    const gone = async () => (more ? keepReceipt(await forget({ document: each.id })) : call("DELETE", `/api/documents/${each.id}`));
    await this.attempt(name, gone);
  }

  /** Sends files one after another; each shows how far it is. */
  async take(files) {
    for (const file of Array.from(files)) {
      if (file.size > this.most) {
        notify(say("failed", file.name, say("tooLarge", this.most >> 20)));
        continue;
      }
      const bar = el("progress", { max: 1, value: 0, "aria-label": file.name });
      const words = el("p", { class: "small" });
      const row = el("div", {}, words, bar);
      const told = (share) => [(bar.value = share), (words.textContent = say("sending", file.name, Math.round(100 * share)))];
      told(0);
      this.progress.append(row);
      await this.attempt(file.name, () => upload(file, this.shared.checked, told));
      row.remove();
    }
  }

  async attempt(name, work) {
    try {
      await work();
      await this.load();
    } catch (error) {
      notify(say("failed", name, errorText(error)));
    }
  }
}

function found(passage) {
  const open = () => openPassage(passage.document, passage.position);
  const head = el("button", { type: "button", class: "turn-question", onclick: open }, [passage.title, placeWords(passage.where)].filter(Boolean).join(", "));
  return el("li", {}, el("div", {}, head, el("p", { class: "small found-text", dir: "auto" }, passage.text)));
}
