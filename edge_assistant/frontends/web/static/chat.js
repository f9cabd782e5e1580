// One chat on the screen: its turns, from the store and as they happen.

import * as api from "./api.js";
import { TurnView } from "./message.js";
import { Turn } from "./turn.js";

export class Chat {
  /**
   * `onChanged()` is called when a turn begins or ends, `onEdit(turn)` when
   * its message is to be written anew, `onState()` whenever what is on the screen
   * may have changed, `onGone()` when the chat was deleted elsewhere, `name()` is the assistant's,
   * `isListed(id)` tells whether the device has such a chat.
   */
  constructor(byId, connection, follow, hooks) {
    this.log = byId("log");
    this.empty = byId("empty");
    this.earlier = byId("earlier");
    this.earlier.firstElementChild.addEventListener("click", () => this.loadEarlier());
    this.connection = connection;
    this.follow = follow;
    this.hooks = hooks;
    this.session = "";
    this.live = new Map(); // turn id → Turn that has not ended, of any chat
    this.views = new Map(); // turn id → TurnView of this chat, oldest first
    this.opening = 0;
  }

  /** The turn of this chat that is being answered, if any. */
  get running() {
    return Array.from(this.views.values()).findLast(({ turn }) => !turn.ended)?.turn;
  }

  /** Shows the chat `session`; an empty id is one that begins with its first message. */
  async open(session) {
    this.session = session;
    this.views.clear();
    this.log.replaceChildren();
    this.earlier.hidden = true;
    this.state(Boolean(session));
    for (const turn of this.live.values()) {
      if (turn.session === session && turn.phase === "sending") this.add(turn);
    }
    if (session) await this.refresh();
    this.follow.toEnd();
  }

  /** Whether all of this chat is still on its way, so that the device can't know it. */
  get beginsHere() {
    const views = Array.from(this.views.values());
    return views.length > 0 && !this.hooks.isListed(this.session) && views.every(({ turn }) => turn.phase === "sending");
  }

  /** Brings what is shown in line with the device: after opening, reconnecting, or another tab's news. */
  async refresh() {
    const { session } = this;
    if (!session || this.beginsHere) return;
    const attempt = ++this.opening;
    try {
      const found = await api.transcript(session);
      if (attempt !== this.opening || session !== this.session) return;
      this.merge(found.turns);
      if (this.views.size <= found.turns.length) this.earlier.hidden = !found.more;
    } catch (error) {
      // A chat whose first message is still on its way doesn't exist yet.
      if (error.status === 404 && session === this.session && !this.running) this.hooks.onGone();
    }
    this.state();
  }

  merge(stored) {
    for (const each of stored) this.mergeTurn(each);
    this.order(stored.map(({ id }) => id));
  }

  /** Puts turns into the order of the device: those loaded earlier, the newest `ids`, then what is on its way. */
  order(ids) {
    const shown = Array.from(this.views.keys());
    const first = shown.findIndex((id) => ids.includes(id));
    const isEarlier = (id) => shown.indexOf(id) < first && !this.live.has(id) && this.views.get(id).turn.phase !== "refused";
    const others = shown.filter((id) => !ids.includes(id));
    const wanted = [...others.filter(isEarlier), ...ids, ...others.filter((id) => !isEarlier(id))];
    this.views = new Map(wanted.map((id) => [id, this.views.get(id)]));
    const nodes = Array.from(this.views.values()).flatMap((view) => view.nodes);
    if (nodes.some((node, index) => node !== this.log.children[index])) this.log.append(...nodes);
  }

  mergeTurn(stored) {
    const view = this.views.get(stored.id);
    const running = stored.status === "running";
    if (!view) {
      const turn = (running && this.live.get(stored.id)) || Turn.stored(stored, this.session);
      this.add(turn);
      if (running) this.watch(turn);
    } else if (!view.turn.ended && !running) {
      Object.assign(view.turn, Turn.stored(stored, this.session));
      this.ended(view.turn);
      view.changed();
    } else if (running) this.watch(view.turn);
  }

  watch(turn) {
    this.live.set(turn.id, turn);
    this.connection.watch(turn.id);
  }

  async loadEarlier() {
    const first = this.views.keys().next().value;
    const found = await api.transcript(this.session, first).catch(() => null);
    if (!found) return false;
    const { area } = this.follow;
    const below = area.scrollHeight - area.scrollTop;
    const shown = Array.from(this.views);
    const older = found.turns.map((stored) => [stored.id, this.view(Turn.stored(stored, this.session))]);
    this.log.prepend(...older.flatMap(([, view]) => view.nodes));
    this.views = new Map([...older, ...shown]);
    this.earlier.hidden = !found.more;
    area.scrollTop = area.scrollHeight - below;
    if (this.earlier.hidden) area.focus();
    return true;
  }

  send(text, replaces = "") {
    this.session ||= api.newId();
    if (replaces) this.cut(replaces);
    const turn = new Turn(api.newId(), this.session, text, replaces);
    this.take(turn);
    this.follow.toEnd();
    this.hooks.onChanged();
  }

  /** Takes a turn and all after it from the screen: another one stands there soon. */
  cut(id) {
    const ids = Array.from(this.views.keys());
    for (const each of ids.slice(Math.max(0, ids.indexOf(id)))) this.remove(each);
  }

  /** Brings a turn into view, fetching earlier ones until it is there. */
  async reveal(id) {
    while (!this.views.has(id) && !this.earlier.hidden) if (!(await this.loadEarlier())) return;
    const view = this.views.get(id);
    if (!view) return;
    this.follow.leave();
    view.question.scrollIntoView({ block: "start" });
    view.question.classList.add("found");
  }

  /** Sends `turn`, and shows it if it belongs to this chat. */
  take(turn) {
    this.live.set(turn.id, turn);
    if (turn.session === this.session && !this.views.has(turn.id)) this.add(turn);
    this.connection.send(turn.id, turn.session, turn.question, turn.replaces || null);
    this.state();
  }

  /** Shows what was said into this page; the device answers it already. */
  heardSaid(turn) {
    turn.phase = "reading";
    this.live.set(turn.id, turn);
    this.connection.expect(turn.id);
    if (turn.session === this.session) this.add(turn);
    this.state();
    this.follow.toEnd();
    this.hooks.onChanged();
  }

  /** Answers the question of `turn` whether it may do something: a turn of its own. */
  answer(turn, approve, words, pin = "") {
    const { action } = turn.asked;
    turn.asked = null;
    this.views.get(turn.id)?.changed();
    const id = pin ? api.newId() : `${action}-${approve ? "yes" : "no"}`;
    this.heardSaid(new Turn(id, turn.session, words));
    this.connection.transmit({ type: "confirm", id: turn.id, action, approve, pin, turn: id });
  }

  /** Ends the running answer; returns the text of a message that had not left yet. */
  stop() {
    const turn = this.running;
    if (!turn) return "";
    if (turn.phase !== "sending" || this.connection.isOpen) {
      this.connection.stop(turn.id);
      return "";
    }
    this.connection.unwatch(turn.id);
    this.live.delete(turn.id);
    this.remove(turn.id);
    this.state();
    return turn.question;
  }

  /** A refused message is sent again as itself; a failed answer is asked for anew. */
  retry(turn) {
    if (this.running) return;
    if (turn.phase !== "refused") return this.send(turn.question);
    this.remove(turn.id);
    turn.phase = "sending";
    turn.error = null;
    this.take(turn);
    this.follow.toEnd();
  }

  heard(event) {
    const turn = this.live.get(event.id);
    if (!turn) return;
    turn.apply(event);
    if (turn.ended) this.ended(turn);
    this.views.get(event.id)?.changed();
    if (event.type !== "text.delta") this.state();
    if (event.type === "turn.started" || turn.ended) this.hooks.onChanged();
  }

  refused(error) {
    const turn = this.live.get(error.id);
    if (!turn) return;
    if (turn.phase !== "sending" && error.code === "TURN_NOT_FOUND") return this.refresh();
    turn.refuse(error);
    this.ended(turn);
    this.views.get(error.id)?.changed();
    this.state();
  }

  ended(turn) {
    this.live.delete(turn.id);
    this.connection.unwatch(turn.id);
  }

  add(turn) {
    const view = this.view(turn);
    this.views.set(turn.id, view);
    this.log.append(...view.nodes);
  }

  view(turn) {
    const { name } = this.hooks;
    const onEdit = (each) => this.running || this.hooks.onEdit(each);
    const isOpen = () => this.connection.isOpen;
    return new TurnView(turn, { name, isOpen, onEdit, onRetry: (each) => this.retry(each), onAnswer: (...given) => this.answer(...given), onDrawn: () => this.follow.keep() });
  }

  /** What has not left yet says whether it waits for the connection. */
  connectionChanged() {
    for (const view of this.views.values()) if (view.turn.phase === "sending") view.changed();
  }

  remove(id) {
    for (const node of this.views.get(id)?.nodes ?? []) node.remove();
    this.views.delete(id);
  }

  state(loading = false) {
    this.empty.hidden = loading || this.views.size > 0;
    this.log.setAttribute("aria-busy", String(Boolean(this.running)));
    this.hooks.onState();
  }

  /** Returns the answer text that an element of the page stands in. */
  answerAround(element) {
    const article = element.closest(".answer");
    return Array.from(this.views.values()).find((view) => view.answer === article)?.turn.text ?? "";
  }
}
