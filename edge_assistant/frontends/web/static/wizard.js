// The first visit of a device's owner: what everything else builds on, one question at a time.

import { call } from "./api.js";
import { el } from "./dom.js";
import { showInvitation } from "./invitation.js";
import { keep, kept } from "./kept.js";
import { assistantFields, recovery, saved } from "./panel-assistant.js";
import { actionButton, choice, labelled } from "./panel-form.js";
import { panel as modelPanel } from "./panel-model.js";
import { languageOptions } from "./panel-page.js";
import { say } from "./panel-text.js";
import { notify } from "./notices.js";

const STEPS = ["language", "name", "persona", "models", "phone", "recover"];
const AT = "wizard"; // where a reload goes on
const tab = () => sessionStorage;

/** Opens the wizard; `changed()` is called when something of the device changed. */
export async function openWizard({ changed }) {
  await new Wizard(changed).open();
}

class Wizard {
  constructor(changed) {
    this.changed = changed;
    this.at = Math.max(0, STEPS.indexOf(kept(AT, tab)));
    this.place = el("div", { class: "wizard-place" });
    this.foot = el("div", { class: "dialog-actions" });
    this.count = el("p", { class: "hidden" });
    this.dots = el("div", { class: "dots", "aria-hidden": "true" }, ...STEPS.map(() => el("span")));
    this.title = el("h2", { id: "wizard-title", tabindex: "-1" });
    this.note = el("p", { class: "note problem", role: "alert" });
    this.save = async () => "";
    this.dialog = el(
      "dialog",
      { class: "panels wizard", "aria-labelledby": "wizard-title", onclose: () => this.closed() },
      el("div", { class: "wizard-head" }, el("img", { src: "/static/icon.svg", alt: "", width: 40, height: 40 }), this.dots),
      this.count,
      this.title,
      this.place,
      this.note,
      this.foot,
    );
  }

  async open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    await this.show();
  }

  /** However it is left, it does not come again by itself. */
  async closed() {
    this.dialog.remove();
    keep(AT, "", tab);
    await call("PATCH", "/api/settings", { set_up: true }).catch(() => notify(say("failed", "")));
    await this.changed();
  }

  async show() {
    const step = STEPS[this.at];
    keep(AT, step, tab);
    this.save = async () => "";
    this.note.textContent = "";
    this.count.textContent = say("stepOf", this.at + 1, STEPS.length);
    this.dots.childNodes.forEach((dot, index) => dot.classList.toggle("past", index <= this.at));
    this.title.textContent = say(`wizard_${step}`);
    const nodes = await this[step]().catch((error) => [el("p", { class: "note problem" }, say("failed", error.message))]);
    if (STEPS[this.at] !== step) return;
    this.place.replaceChildren(el("p", { class: "muted lead" }, say(`wizard_${step}_text`)), ...nodes);
    this.foot.replaceChildren(...this.buttons());
    this.title.focus();
  }

  buttons() {
    const last = this.at === STEPS.length - 1;
    const back = this.at ? actionButton(say("back"), () => this.go(-1), "quiet") : null;
    const later = last ? null : actionButton(say("later"), () => this.dialog.close(), "quiet");
    const next = actionButton(say(last ? "done" : "next"), () => this.next(last));
    return [later, el("span", { class: "grow" }), back, next].filter(Boolean);
  }

  async next(last) {
    const problem = await this.save();
    if (problem) this.note.textContent = problem;
    else if (last) this.dialog.close();
    else await this.go(1);
  }

  async go(steps) {
    this.at += steps;
    await this.show();
  }

  async language() {
    const page = choice("wizard-language", languageOptions(), kept("language"));
    const settings = await call("GET", "/api/settings");
    const values = { ...settings.values, "assistant.language": document.documentElement.lang };
    const fields = assistantFields(settings.locked.includes("assistant.language") ? settings : { ...settings, values }, ["language"]);
    this.save = async () => {
      const problem = await this.saved(fields);
      if (problem || page.value === kept("language")) return problem;
      keep("language", page.value);
      keep(AT, STEPS[this.at + 1], tab);
      location.reload();
      return "";
    };
    return [labelled(say("pageLanguage"), page), ...fields.nodes];
  }

  name() {
    return this.fields(["name"]);
  }

  persona() {
    return this.fields(["persona", "instructions"]);
  }

  async fields(names) {
    const fields = assistantFields(await call("GET", "/api/settings"), names);
    this.save = () => this.saved(fields);
    return fields.nodes;
  }

  /** Returns what went wrong, else "". */
  async saved(fields) {
    const words = await saved({ values: fields.values() }, this.changed);
    return words === say("savedNow") ? "" : words;
  }

  models() {
    return modelPanel({ changed: this.changed });
  }

  async phone() {
    const place = el("div", { "aria-live": "polite" });
    const show = actionButton(say("showCode"), async () => {
      show.hidden = true;
      showInvitation(place).catch((error) => (place.textContent = say("failed", error.message)));
    }, "quiet");
    return [show, place];
  }

  async recover() {
    return recovery();
  }
}
