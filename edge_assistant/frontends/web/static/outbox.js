// What was typed and is not yet known to be stored on the device. It outlives the page: a phone ends pages at will.

import { keep, kept } from "./kept.js";

const OUTBOX = "outbox";
const MOST = 50;

/** Messages of whoever is signed in; `person` is their id once known, so that nobody sends another's words. */
export class Outbox {
  constructor() {
    this.person = "";
    this.unkept = []; // what storage would not take
  }

  /** Returns this person's messages, the oldest first. */
  all() {
    return this.everybody().filter(({ person }) => !person || !this.person || person === this.person);
  }

  add(message) {
    const messages = this.everybody();
    const before = messages.find(({ id }) => id === message.id);
    const rest = messages.filter((each) => each !== before);
    this.store([...rest, { ...message, person: before?.person || this.person }].slice(-MOST));
  }

  remove(id) {
    const messages = this.everybody();
    const rest = messages.filter((message) => message.id !== id);
    if (rest.length < messages.length) this.store(rest);
  }

  /** Somebody signed in: what another person left here is not theirs to send. */
  forgetOthers(person) {
    this.store(this.everybody().filter((message) => !message.person || message.person === person));
  }

  everybody() {
    try {
      return [...(JSON.parse(kept(OUTBOX) || "[]") ?? []), ...this.unkept];
    } catch {
      return this.unkept;
    }
  }

  store(messages) {
    this.unkept = keep(OUTBOX, messages.length ? JSON.stringify(messages) : "") ? [] : messages;
  }
}
