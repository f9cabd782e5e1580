// Forgetting a topic or everything: counted first, then done, with a receipt to keep.

import { call, forget as forgetEverywhere } from "./api.js";
import { el } from "./dom.js";
import { say } from "./memory-text.js";
import { confirmed } from "./notices.js";
import { actionButton, labelled, line } from "./panel-form.js";

/** Returns the nodes for it; `changed()` is called when something is gone. */
export function forgetting(user, changed) {
  const outcome = el("div", { role: "status" });
  const topic = line("memory-topic", "", { maxlength: 200 });
  const run = async (wish) => {
    try {
      outcome.replaceChildren(...(await forget(wish)));
      await changed();
    } catch (error) {
      outcome.replaceChildren(el("p", { class: "note problem" }, error.message));
    }
  };
  return [
    el("h3", {}, say("topic")),
    el("div", { class: "fields" }, labelled(say("topicWords"), topic, say("topicHint")), actionButton(say("forget"), () => topic.value.trim().length > 1 && run({ topic: topic.value.trim() }), "quiet")),
    el("h3", {}, say("everything")),
    el("p", { class: "muted small" }, say("everythingText")),
    actionButton(say("everything"), () => run({ person: user }), "quiet"),
    outcome,
  ];
}

async function forget(wish) {
  const { preview } = await call("POST", "/api/forget", { ...wish, preview: true });
  if (!Object.keys(preview).length) return [el("p", { class: "muted" }, say("nothing"))];
  if (!(await confirmed(say("topicSure", counted(preview))))) return [];
  const receipt = await forgetEverywhere(wish);
  const lines = [el("p", {}, say("receiptText", counted(receipt.erased)))];
  const missed = receipt.backups_not_reached ?? [];
  if (missed.length) lines.push(el("p", { class: "note problem" }, say("notReached", missed.join(", "))));
  return [...lines, el("p", {}, el("a", { href: fileOf(receipt), download: `receipt-${receipt.entry}.json` }, say("receipt")))];
}

const counted = (counts) => Object.entries(counts).map(([name, count]) => `${count} ${say("counts")[name] ?? name}`).join(", ");
const fileOf = (receipt) => URL.createObjectURL(new Blob([JSON.stringify(receipt)], { type: "application/json" }));
