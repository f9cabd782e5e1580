// Short words that come and go: a toast, a question, and the clipboard's answer.

import { el, ICONS, icon } from "./dom.js";
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
export async function confirmed(question) {
  return (await confirmedWith(question, "")).yes;
}

/** Asks `question` with a box to tick beside it; resolves to `{yes, more}`. */
export function confirmedWith(question, more) {
  const dialog = document.getElementById("confirm");
  const box = document.getElementById("confirm-more");
  document.getElementById("confirm-text").textContent = question;
  document.getElementById("confirm-more-text").textContent = more;
  box.checked = false;
  box.parentElement.hidden = !more;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    const answer = () => resolve({ yes: dialog.returnValue === "yes", more: box.checked });
    dialog.addEventListener("close", answer, { once: true });
  });
}

/** Hands a receipt of forgetting over as a file. */
export function keepReceipt(receipt) {
  const href = URL.createObjectURL(new Blob([JSON.stringify(receipt)], { type: "application/json" }));
  el("a", { href, download: `receipt-${receipt.entry}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
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
