// Who answers: name, persona, language, instructions. And the code that opens backups.

import { call } from "./api.js";
import { el } from "./dom.js";
import { actionButton, choice, labelled, languages, line } from "./panel-form.js";
import { errorText } from "./text.js";
import { say } from "./panel-text.js";

const MOST = 2000;

export async function panel({ changed }) {
  const settings = await call("GET", "/api/settings");
  const fields = assistantFields(settings);
  const note = el("p", { class: "note", role: "status" });
  const form = el("form", { class: "fields" }, ...fields.nodes, el("button", { type: "submit", class: "primary" }, say("save")), note);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    note.textContent = await saved({ values: fields.values() }, changed);
  });
  return [form, el("h3", {}, say("recovery")), ...recovery()];
}

/** Returns `{nodes, values()}` of the fields about who answers; what the device's environment sets is only shown. */
export function assistantFields({ values, locked, personas }, only = ["name", "persona", "language", "instructions"]) {
  const made = {
    name: () => line("set-name", values["assistant.name"], { required: true, maxlength: 60 }),
    persona: () => choice("set-persona", personas.map(({ id, name, tone }) => [id, personaWords(id, name, tone)]), values["assistant.persona"]),
    language: () => choice("set-language", languages(), values["assistant.language"]),
    instructions: () => area("set-instructions", values["assistant.instructions"]),
  };
  const fields = only.map((name) => [name, made[name](), locked.includes(`assistant.${name}`)]);
  for (const [, field, fixed] of fields) field.disabled = fixed;
  return {
    nodes: fields.map(([name, field, fixed]) => labelled(say(`assistant_${name}`), field, fixed ? say("locked") : say(`assistant_${name}_hint`))),
    values: () => Object.fromEntries(fields.filter(([, , fixed]) => !fixed).map(([name, field]) => [`assistant.${name}`, field.value])),
  };
}

function personaWords(id, name, tone) {
  const title = id === "default" ? say("personaDefault") : name || id;
  return tone ? `${title} (${tone})` : title;
}

function area(id, value) {
  const field = el("textarea", { id, rows: 4, maxlength: MOST });
  field.value = value;
  return field;
}

/** Saves and returns what to say about it. */
export async function saved(body, changed) {
  try {
    await call("PATCH", "/api/settings", body);
    await changed();
    return say("savedNow");
  } catch (error) {
    return say("failed", errorText(error));
  }
}

/** Returns the nodes that make and show a recovery code. */
export function recovery() {
  const place = el("div", { role: "status" });
  const make = actionButton(say("recoveryMake"), async () => {
    try {
      const { code } = await call("POST", "/api/recovery-code");
      place.replaceChildren(el("p", { class: "code-shown" }, code), el("p", { class: "muted small" }, say("recoveryKeep")));
    } catch (error) {
      place.replaceChildren(el("p", { class: "note problem" }, say("failed", errorText(error))));
    }
  }, "quiet");
  return [el("p", { class: "muted small" }, say("recoveryText")), make, place];
}
