// Which model answers: what fits into this device's memory, fetching it, choosing it.

import { call } from "./api.js";
import { el } from "./dom.js";
import { say } from "./panel-text.js";
import { errorText } from "./text.js";

export async function panel({ changed }) {
  const models = new Models(changed);
  await models.load();
  return [models.memory, models.note, models.list];
}

class Models {
  constructor(changed) {
    this.changed = changed;
    this.memory = el("p", { class: "muted small" });
    this.note = el("p", { class: "note problem", role: "alert" });
    this.list = el("ul", { class: "models" });
    this.wanted = ""; // is chosen once it is here
    this.pulls = new Map(); // model id → {bar, words} of what is being fetched
    this.news = null;
  }

  async load() {
    const { chosen, engine, memory_mb, available_mb, disk_free_mb, models } = await call("GET", "/api/models");
    this.memory.textContent = say("modelMemory", gigabytes(memory_mb), gigabytes(available_mb), gigabytes(disk_free_mb));
    if (engine !== "llama") this.note.textContent = say("modelElsewhere", chosen);
    this.pulls.clear();
    const order = (model) => (model.id === chosen ? 0 : model.state === "installed" ? 1 : 2);
    const sorted = models.toSorted((a, b) => order(a) - order(b) || a.ram_mb - b.ram_mb);
    this.list.replaceChildren(...sorted.map((model) => this.item(model, model.id === chosen)));
    if (models.some(({ pull }) => pull?.phase === "running")) this.watch();
  }

  item(model, chosen) {
    const running = model.pull?.phase === "running";
    const facts = [
      model.size && model.state !== "installed" ? say("modelSize", gigabytes(model.size / 2 ** 20)) : "",
      say("modelNeeds", gigabytes(model.ram_mb)),
      say(`fit_${model.fit}`),
      model.licence,
    ];
    const failed = model.pull?.phase === "failed" ? el("p", { class: "note problem" }, say("failed", errorText(model.pull))) : null;
    return el(
      "li",
      { class: `model ${model.fit}`, "data-model": model.id },
      el("div", { class: "model-head" }, el("strong", {}, model.id), chosen ? el("span", { class: "chosen" }, say("modelChosen")) : null),
      el("p", { class: "small" }, model.description),
      el("p", { class: "muted small" }, facts.filter(Boolean).join(" · ")),
      failed,
      running ? this.progress(model) : chosen ? null : this.actions(model),
    );
  }

  actions({ id, state, fit }) {
    if (fit === "too_large") return null;
    const installed = state === "installed";
    const act = () => (installed ? this.choose(id) : this.pull(id));
    const words = say(installed ? "modelUse" : "modelGet");
    return el("div", { class: "model-actions" }, el("button", { type: "button", class: "quiet", "aria-label": `${words}: ${id}`, onclick: act }, words));
  }

  progress({ id, pull }) {
    const bar = el("progress", { max: 1, "aria-label": say("modelGetting", id) });
    const words = el("span", { class: "muted small" });
    const stop = el("button", { type: "button", class: "quiet", onclick: () => this.tried(() => call("DELETE", path(id))) }, say("stop"));
    this.pulls.set(id, { bar, words });
    this.draw(pull);
    return el("div", { class: "pull" }, bar, el("div", { class: "model-actions" }, words, stop));
  }

  draw({ model, done, total }) {
    const shown = this.pulls.get(model);
    if (!shown) return;
    if (total) shown.bar.value = done / total;
    shown.words.textContent = total ? say("modelProgress", Math.floor((100 * done) / total), gigabytes(total / 2 ** 20)) : say("modelBegins");
  }

  pull(id) {
    this.wanted = id;
    return this.tried(() => call("POST", path(id)));
  }

  async choose(id) {
    this.wanted = "";
    await this.tried(() => call("PATCH", "/api/settings", { values: { "llm.model": id } }));
    await this.changed();
  }

  async tried(work) {
    this.note.textContent = "";
    try {
      await work();
      await this.load();
    } catch (error) {
      this.note.textContent = say("failed", errorText(error));
    }
  }

  watch() {
    if (this.news) return;
    this.news = new EventSource("/api/models/events");
    this.news.addEventListener("pull", ({ data }) => this.heard(JSON.parse(data)));
  }

  async heard(pull) {
    if (!this.list.isConnected) return this.leave();
    if (pull.phase === "running") return this.draw(pull);
    if (!this.pulls.has(pull.model)) return; // it ended before this was opened
    this.leave();
    if (pull.phase === "done" && pull.model === this.wanted) await this.choose(pull.model);
    else await this.tried(() => {});
  }

  leave() {
    this.news?.close();
    this.news = null;
  }
}

const path = (id) => `/api/models/${encodeURIComponent(id)}/pull`;

function gigabytes(mb) {
  const digits = mb < 1024 ? 2 : 1;
  return new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: digits }).format(mb / 1024);
}
