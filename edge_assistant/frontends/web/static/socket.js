// The WebSocket to the device: reconnects by itself and takes every unfinished turn up again.

import { Outbox } from "./outbox.js";

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 10_000;
const VOICE = new Set(["transcript.partial", "transcript.final", "audio.begin"]);
const ENDINGS = new Set(["turn.finished", "turn.failed"]);

/** Returns the wait before attempt number `attempt` (0, 1, …): doubling, capped, half of it random. */
export function retryDelay(attempt, random = Math.random()) {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt) * (0.5 + random / 2);
}

export class Connection {
  /**
   * `onEvent(event)` gets each event of a watched turn once and in order, `onRefused(error)` what was
   * not carried out, `onState(state)` "connecting", "open" or "offline", `onNews(session)` that a chat
   * has an answer that no page asked for; `signedIn()` resolves to false when reconnecting is useless.
   */
  constructor({ onEvent, onRefused, onState, onNews, signedIn }) {
    Object.assign(this, { onEvent, onRefused, onState, onNews, signedIn });
    this.onVoice = this.onSound = () => {}; // what belongs to something that is said
    this.watched = new Map(); // turn id → {after, message}; message is null once the device has it
    this.outbox = new Outbox();
    this.socket = null;
    this.attempt = 0;
    this.timer = 0;
    addEventListener("online", () => this.hurry());
    addEventListener("offline", () => this.socket?.close());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  start() {
    clearTimeout(this.timer);
    if (this.socket) return;
    this.onState(this.attempt ? "offline" : "connecting");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}/api/ws`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.opened();
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.received(JSON.parse(data)) : this.onSound(data));
    this.socket.onclose = () => this.closed();
  }

  hurry() {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.start();
  }

  opened() {
    this.attempt = 0;
    this.onState("open");
    for (const [id, { after, message }] of this.watched) {
      this.transmit(message ?? { type: "resume", id, after });
    }
  }

  async closed() {
    this.socket = null;
    this.onState("offline");
    const delay = retryDelay(this.attempt++);
    if (!(await this.signedIn())) return;
    if (this.socket) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.start();
    }, delay);
  }

  received(event) {
    if (VOICE.has(event.type)) return this.onVoice(event);
    if (event.type === "session.changed") return this.onNews(event.session);
    const turn = this.watched.get(event.id);
    if (event.type === "error") {
      this.unwatch(event.id);
      this.onRefused(event);
      return;
    }
    if (!turn || event.seq <= turn.after) return; // a replay may overlap with what we have
    turn.after = event.seq;
    if (turn.message) this.acknowledged(turn, event.id);
    if (ENDINGS.has(event.type)) this.unwatch(event.id);
    this.onEvent(event);
  }

  acknowledged(turn, id) {
    turn.message = null;
    this.outbox.remove(id);
  }

  /** Sends a message now or when the connection is back; its id makes sending it twice harmless. */
  send(id, session, text, replaces = null) {
    const message = { type: "message", id, session, text, attachments: [], replaces };
    this.watched.set(id, { after: 0, message });
    this.outbox.add(message);
    this.transmit(message);
  }

  /** Asks for the events of a turn after number `after`. */
  watch(id, after = 0) {
    if (this.watched.has(id)) return;
    this.watched.set(id, { after, message: null });
    this.transmit({ type: "resume", id, after });
  }

  unwatch(id) {
    this.watched.delete(id);
    this.outbox.remove(id);
  }

  stop(id) {
    this.transmit({ type: "stop", id });
  }

  /** Takes the events of a turn that the device itself began: something was said. */
  expect(id) {
    this.watched.set(id, { after: 0, message: null });
  }

  transmitSound(pcm) {
    if (this.isOpen) this.socket.send(pcm);
  }

  transmit(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
  }
}
