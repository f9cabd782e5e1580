// Where a cited passage stands in its document, with what is before and after it.

import { call } from "./api.js";
import { placeWords } from "./citation.js";
import { say } from "./documents-text.js";
import { el, ICONS, iconButton, loadStyle } from "./dom.js";
import { safeUrl } from "./inline.js";
import { notify } from "./notices.js";

/** Shows the passage number `at` of a document. */
export async function openPassage(id, at) {
  await loadStyle("/static/documents.css");
  const answer = await call("GET", `/api/documents/${encodeURIComponent(id)}?around=${at}`).catch(() => null);
  if (!answer?.passages.length) return notify(say("gone"));
  const { document: about, passages } = answer;
  const dialog = el("dialog", { class: "passage", "aria-labelledby": "passage-title", onclose: () => dialog.remove() });
  const href = safeUrl(about.origin.startsWith("url:") ? about.origin.slice(4) : "");
  const title = el("h2", { id: "passage-title", dir: "auto" }, about.title || about.name);
  const link = href ? el("p", { class: "small" }, el("a", { href, target: "_blank", rel: "noopener noreferrer" }, href)) : null;
  const close = iconButton(ICONS.close, say("close"), () => dialog.close());
  const text = el("div", { class: "passage-text", tabindex: "0", role: "region", "aria-labelledby": "passage-title" }, ...passages.map((each) => piece(each, at)));
  dialog.append(el("div", { class: "passage-head" }, title, close), link ?? "", text);
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector(".cited")?.scrollIntoView({ block: "center" });
}

function piece(passage, at) {
  const here = passage.position === at;
  return el("section", { class: here ? "cited" : "" }, el("p", { class: "muted small" }, placeWords(passage.where)), el("p", { dir: "auto" }, passage.text));
}
