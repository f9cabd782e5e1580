// Short words that come and go: a toast, a question, and the clipboard's answer.

import { ICONS, icon } from "./dom.js";
import { t } from "./text.js";

const SHOWN_MS = 5000;
const COPIED_MS = 1600;
let timer = 0;

/** Shows and announces one line. */
export function notify(words) {
  const toast = document.getElementById("toast");
  clearTimeout(timer);
  toast.textContent = words;
  timer = setTimeout(() => toast.replaceChildren(), SHOWN_MS);
}

/** Asks `question`; resolves to whether the person said yes. */
export function confirmed(question) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-text").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Copies `text` and says so on `button`. */
export async function copy(text, button) {
  const done = (await toClipboard(text)) ? t("copied") : t("copyFailed");
  const before = Array.from(button.childNodes);
  const label = button.getAttribute("aria-label");
  if (button.dataset.busy) return;
  button.dataset.busy = "yes";
  button.replaceChildren(icon(ICONS.done), done);
  button.setAttribute("aria-label", done);
  notifyQuietly(done);
  setTimeout(() => {
    button.replaceChildren(...before);
    button.setAttribute("aria-label", label);
    delete button.dataset.busy;
  }, COPIED_MS);
}

function notifyQuietly(words) {
  const toast = document.getElementById("toast");
  toast.classList.add("hidden");
  notify(words);
  setTimeout(() => {
    toast.replaceChildren();
    toast.classList.remove("hidden");
  }, COPIED_MS);
}

/** Over plain http on a LAN there is no `navigator.clipboard`: select and copy the old way. */
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const field = document.createElement("textarea");
  const focused = document.activeElement;
  field.value = text;
  field.className = "hidden";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return done;
}
