// Where people write: grows with the text, Enter sends, the draft of each chat survives a reload.

import { el, ICONS, icon, iconButton } from "./dom.js";
import { keep, kept } from "./kept.js";
import { t } from "./text.js";

const tab = () => sessionStorage; // drafts live as long as the tab

export class Composer {
  constructor(byId, { onSend, onStop }) {
    this.field = byId("message");
    this.field.placeholder = t("message");
    this.sendButton = byId("send");
    this.stopButton = byId("stop");
    this.onSend = onSend;
    this.onStop = onStop;
    this.session = "";
    this.key = "draft:";
    this.answering = false;
    this.replaces = ""; // the turn that is being edited
    this.notice = byId("editing");
    this.notice.append(el("span", {}, t("editing")), iconButton(ICONS.close, t("cancel"), () => this.leaveEdit()));
    this.sendButton.append(icon(ICONS.send));
    this.stopButton.append(icon(ICONS.stop));
    byId("composer").addEventListener("submit", (event) => this.submit(event));
    this.field.addEventListener("input", () => this.edited());
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.stopButton.addEventListener("click", () => this.stop());
  }

  get text() {
    return this.field.value;
  }

  set text(text) {
    this.field.value = text;
    this.edited();
  }

  pressed(event) {
    if (event.key === "Escape" && this.replaces) {
      event.preventDefault();
      return this.leaveEdit();
    }
    const composing = event.isComposing || event.keyCode === 229; // an input method takes this Enter
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    event.preventDefault();
    this.submit(event);
  }

  submit(event) {
    event.preventDefault();
    const text = this.text.trim();
    if (!text || this.answering) return;
    const { replaces } = this;
    this.replaces = "";
    this.notice.hidden = true;
    this.text = "";
    this.onSend(text, replaces);
    this.field.focus();
  }

  stop() {
    this.onStop();
    this.field.focus();
  }

  edited() {
    this.sendButton.disabled = !this.text.trim();
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
    if (!this.replaces) keep(this.key, this.text, tab);
  }

  /** Lets the message of the turn `id` be written anew; the draft waits meanwhile. */
  edit(id, text) {
    this.replaces = id;
    this.notice.hidden = false;
    this.text = text;
    this.field.focus();
  }

  leaveEdit() {
    this.switchTo(this.session);
    this.field.focus();
  }

  /** Where there is a keyboard, writing can begin at once; on a phone one would pop up unasked. */
  invite() {
    if (!matchMedia("(pointer: coarse)").matches) this.field.focus();
  }

  /** Shows the draft of the chat `session`; an empty name is the chat that is yet to begin. */
  switchTo(session) {
    this.session = session;
    this.key = `draft:${session}`;
    this.replaces = "";
    this.notice.hidden = true;
    this.text = kept(this.key, tab);
  }

  /** Shows the stop button instead of the send button. */
  setAnswering(answering) {
    this.answering = answering;
    this.sendButton.hidden = answering;
    this.stopButton.hidden = !answering;
  }
}
