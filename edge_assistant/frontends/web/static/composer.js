// Where people write: grows with the text, Enter sends, the draft of each chat survives a reload.

import { ICONS, icon } from "./dom.js";

export class Composer {
  constructor(byId, { onSend, onStop }) {
    this.field = byId("message");
    this.sendButton = byId("send");
    this.stopButton = byId("stop");
    this.onSend = onSend;
    this.onStop = onStop;
    this.key = "draft:";
    this.answering = false;
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
    const composing = event.isComposing || event.keyCode === 229; // an input method takes this Enter
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    event.preventDefault();
    this.submit(event);
  }

  submit(event) {
    event.preventDefault();
    const text = this.text.trim();
    if (!text || this.answering) return;
    this.text = "";
    this.onSend(text);
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
    keep(this.key, this.text);
  }

  /** Shows the draft of the chat `session`; an empty name is the chat that is yet to begin. */
  switchTo(session) {
    this.key = `draft:${session}`;
    this.text = kept(this.key);
  }

  /** Shows the stop button instead of the send button. */
  setAnswering(answering) {
    this.answering = answering;
    this.sendButton.hidden = answering;
    this.stopButton.hidden = !answering;
  }
}

function kept(key) {
  try {
    return sessionStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

function keep(key, text) {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    // storage is full or forbidden: the draft lives as long as the page
  }
}
