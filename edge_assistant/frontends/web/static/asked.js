// A question whether something may be done, to be answered by a tap.

import { say } from "./abilities-text.js";
import { el, loadStyle } from "./dom.js";

/** Returns the buttons; `onAnswer(approve, words, pin)` gets what the person chose, once. */
export function asked({ summary, pin }, onAnswer) {
  loadStyle("/static/abilities.css");
  const field = pin ? el("input", { type: "password", inputmode: "numeric", autocomplete: "off", maxlength: 32, "aria-label": say("pin"), placeholder: say("pin") }) : null;
  const give = (approve) => {
    for (const button of group.querySelectorAll("button")) button.disabled = true;
    onAnswer(approve, say(approve ? "saidYes" : "saidNo"), approve && field ? field.value : "");
  };
  const yes = el("button", { type: "submit", class: "primary" }, say("yes"));
  const no = el("button", { type: "button", class: "quiet", onclick: () => give(false) }, say("no"));
  const group = el("form", { class: "asked-form", "aria-label": say("asks", summary) }, field, yes, no);
  group.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!field || field.value) give(true);
    else field.focus();
  });
  return group;
}
