// A thumbs-down with the right answer: it counts from the next question on.

import { call } from "./api.js";
import { el, loadStyle } from "./dom.js";
import { say } from "./memory-text.js";
import { notify } from "./notices.js";

/** Asks below an answer what would have been right. */
export async function askWhatIsRight(turn, foot) {
  await loadStyle("/static/memory.css");
  if (foot.querySelector(".correction")) return;
  const text = el("input", { type: "text", "aria-label": say("right"), placeholder: say("right"), maxlength: 500 });
  const cancel = el("button", { type: "button", class: "quiet", onclick: () => form.remove() }, say("cancel"));
  const form = el("form", { class: "correction" }, text, el("button", { class: "primary" }, say("save")), cancel);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!text.value.trim()) return;
    try {
      await call("POST", "/api/memory/corrections", { turn: turn.id, text: text.value });
      form.remove();
      notify(say("learnt"));
    } catch (error) {
      notify(error.message);
    }
  });
  foot.append(form);
  text.focus();
}
