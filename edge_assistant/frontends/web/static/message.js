// Draws one turn: what the person wrote, the answer as it grows, and the line below it.

import { linkNumbers, sourceList } from "./citation.js";
import { el, ICONS, icon, iconButton } from "./dom.js";
import { LiveMarkdown } from "./markdown.js";
import { errorText, t } from "./text.js";

/** The two articles of a turn. Drawing is gathered per frame: words may come faster than frames. */
export class TurnView {
  constructor(turn, { onRetry, onEdit, onAnswer, onDrawn, name, isOpen }) {
    this.onAnswer = onAnswer;
    this.turn = turn;
    this.isOpen = isOpen;
    this.onEdit = onEdit;
    this.onRetry = onRetry;
    this.onDrawn = onDrawn;
    this.frame = 0;
    this.text = el("div", { class: "question-text", dir: "auto" }, turn.question);
    this.body = el("div", { class: "answer-text", dir: "auto" });
    this.wait = el("p", { class: "wait" });
    this.foot = el("div", { class: "foot" });
    this.question = el("article", { class: "question", "aria-label": t("you") }, this.editor(), this.text);
    this.answer = el("article", { class: "answer", "aria-label": name() }, this.wait, this.body, this.foot);
    this.markdown = new LiveMarkdown(this.body);
    this.draw();
  }

  editor() {
    return iconButton(ICONS.edit, t("edit"), () => this.turn.ended && this.onEdit(this.turn), "icon-button edit");
  }

  get nodes() {
    return [this.question, this.answer];
  }

  /** Draws before the next frame. */
  changed() {
    if (this.turn.ended) return this.draw();
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { turn } = this;
    this.answer.dataset.phase = turn.phase;
    this.answer.setAttribute("aria-busy", String(!turn.ended));
    this.drawWait();
    if (turn.ended) this.finish();
    else if (turn.text) this.markdown.draw(turn.text);
    this.foot.replaceChildren(...(turn.ended ? this.footNodes() : []));
    this.onDrawn(this);
  }

  finish() {
    this.markdown.finish(this.turn.text);
    linkNumbers(this.body, this.turn.sources);
  }

  drawWait() {
    const { phase, progress, line, text } = this.turn;
    this.wait.hidden = this.turn.ended || Boolean(text);
    if (this.wait.hidden) return;
    const percent = progress?.total ? Math.round((100 * progress.done) / progress.total) : 0;
    const reading = percent > 0 && percent < 100 ? t("reading", percent) : t("thinking");
    const words = line ? t("inLine", line.place, line.seconds) : reading;
    const leaving = this.isOpen() ? t("sending") : t("sendsLater");
    this.wait.textContent = phase === "sending" ? leaving : words;
  }

  footNodes() {
    const { turn } = this;
    const actions = el("div", { class: "actions" });
    if (turn.text) actions.append(button(ICONS.copy, t("copy"), "copy-answer", t("copyAnswer")));
    if (turn.mayRetry) actions.append(button(ICONS.retry, t("retry"), "retry", t("retry"), () => this.onRetry(turn)));
    if (turn.text && !turn.mayRetry) actions.append(button(ICONS.wrong, t("wrong"), "wrong", t("wrongLabel"), () => correct(turn, this.foot)));
    const details = detailLine(turn);
    if (details) actions.append(el("span", { class: "details" }, details));
    const failed = ["failed", "refused"].includes(turn.phase);
    const lines = endLines(turn).map((line) => el("p", { class: failed ? "note problem" : "note" }, line));
    return [sourceList(turn.sources), ...lines, turn.asked && this.askedNode(), actions].filter(Boolean);
  }

  /** Returns where a question whether it may do something is answered; fetched when one is first asked. */
  askedNode() {
    const place = el("div", { class: "asked" });
    const { turn } = this;
    import("./asked.js").then(({ asked }) => turn.asked && place.append(asked(turn.asked, (...given) => this.onAnswer(turn, ...given))));
    return place;
  }
}

/** Asks what would have been right; only who does that loads it. */
async function correct(turn, foot) {
  const { askWhatIsRight } = await import("./correction.js");
  await askWhatIsRight(turn, foot);
}

function button(paths, words, name, label, onclick = null) {
  const shown = el("span", { class: "words" }, words);
  return el("button", { type: "button", class: `action ${name}`, "aria-label": label, onclick }, icon(paths), shown);
}

/** What there is to say about how the turn ended, in words. */
function endLines(turn) {
  const lines = turn.notice ? [turn.notice] : [];
  if (turn.phase === "interrupted") lines.push(t("interrupted"));
  if (turn.phase === "truncated") lines.push(t("truncated"));
  if (turn.phase === "refused") lines.push(`${t("notSent")} ${sentence(errorText(turn.error))}`);
  if (turn.phase === "failed") lines.push(failure(turn.error));
  if (turn.mayRetry && turn.error?.retry_after) lines.push(t("waitSeconds", Math.ceil(turn.error.retry_after)));
  return lines;
}

function failure({ code, message }) {
  const words = errorText({ code, message });
  if (words) return `${t("failed")} ${sentence(words)}`;
  return code ? t("failedCode", code) : t("failed");
}

function sentence(text) {
  const line = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

function inWords(reason) {
  return t("reasons").reduce((text, [said, words]) => text.replace(said, words), reason);
}

function detailLine({ route, timings, usage }) {
  const parts = [];
  const here = (route?.model ?? "").replace(/^cloud( \+ )?/, "");
  if (here) parts.push(here);
  if (route?.rung === "cloud") parts.push(t("fromCloud"));
  if (route?.reason && (route.rung === "cloud" || /cloud|stayed on this device/.test(route.reason))) parts.push(inWords(route.reason));
  if (timings?.first_token_ms) parts.push(t("firstToken", (timings.first_token_ms / 1000).toFixed(2)));
  const seconds = ((timings?.total_ms ?? 0) - (timings?.first_token_ms ?? 0)) / 1000;
  const tokens = usage?.completion_tokens ?? 0;
  const inOne = !route?.model?.includes(" + "); // else much of the time was spent on waiting for the other one
  if (tokens > 1 && seconds > 0 && inOne) parts.push(t("speed", ((tokens - 1) / seconds).toFixed(1)));
  if (tokens) parts.push(t("tokens", tokens));
  return parts.join(" · ");
}
