// Puts the page together: who is signed in, the connection, the chat, the list beside it.

import * as api from "./api.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { el, ICONS, icon } from "./dom.js";
import { Drawer } from "./drawer.js";
import { copy, notify } from "./notices.js";
import { Follow } from "./scroll.js";
import { SessionList } from "./sessions.js";
import { showSignIn, useLink } from "./signin.js";
import { Connection } from "./socket.js";
import { Status } from "./status.js";
import { fillTexts, t } from "./text.js";
import { themeButton } from "./themes.js";
import { Turn } from "./turn.js";

const byId = (id) => document.getElementById(id);

/** The other tabs of this browser hear here that a chat changed. */
const tabs = new BroadcastChannel("edge-assistant");

class App {
  constructor() {
    this.name = t("assistant");
    this.drawer = new Drawer(byId);
    this.status = new Status(byId, { onSignedOut: () => this.signedOut() });
    this.connection = new Connection({
      onEvent: (event) => this.chat.heard(event),
      onRefused: (error) => this.refused(error),
      onState: (state) => this.connectionIs(state),
      signedIn: () => this.signedIn(),
    });
    this.chat = new Chat(byId, this.connection, new Follow(byId("scroll"), byId("jump")), {
      name: () => this.name,
      onState: () => this.chatChanged(),
      onChanged: () => this.changed(),
      onGone: () => this.gone(),
    });
    this.sessions = new SessionList(byId("sessions"), {
      onOpen: (id) => this.go(id),
      onGone: (id) => id === this.chat.session && this.go(""),
      onChanged: (id) => this.changed(id),
    });
    this.composer = new Composer(byId, { onSend: (text) => this.send(text), onStop: () => this.stop() });
    this.listen();
  }

  listen() {
    themeButton(byId("theme"));
    byId("new-chat").prepend(icon(ICONS.plus));
    byId("new-chat").addEventListener("click", () => this.go(""));
    byId("household").addEventListener("click", () => this.openHousehold());
    byId("log").addEventListener("click", (event) => this.copyFrom(event));
    document.addEventListener("keydown", (event) => this.pressed(event));
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    addEventListener("popstate", () => this.open(sessionInAddress()));
    tabs.onmessage = ({ data }) => this.heardFromTab(data);
  }

  /** The dialog and its looks are fetched when somebody wants to see them. */
  async openHousehold() {
    if (!document.querySelector("link[href='/static/household.css']")) {
      document.head.append(el("link", { rel: "stylesheet", href: "/static/household.css" }));
    }
    const { openHousehold } = await import("./household.js");
    await openHousehold();
  }

  async start() {
    const problem = await useLink();
    try {
      this.greet(await api.status());
    } catch (error) {
      if (error.signedOut) return showSignIn(byId, problem);
    }
    byId("app").hidden = false;
    this.connection.start();
    await Promise.all([this.sessions.load(), this.open(sessionInAddress())]);
    this.sendAgain();
    this.composer.field.focus();
  }

  greet(status) {
    this.status.take(status);
    this.name = status.assistant || this.name;
    byId("brand").textContent = this.name;
    this.composer.field.placeholder = t("messageTo", this.name);
    byId("empty-title").textContent = t("emptyTitle", this.name);
    const buttons = t("suggestions").map(([title, text]) => suggestion(title, text, () => this.send(text)));
    byId("suggestions").replaceChildren(...buttons);
  }

  /** Shows a chat and puts it into the address, so that Back and reload find it. */
  go(session) {
    if (session !== sessionInAddress()) history.pushState(null, "", address(session));
    this.drawer.close(false);
    this.composer.field.focus();
    return this.open(session);
  }

  async open(session) {
    this.composer.switchTo(session);
    this.sessions.select(session);
    await this.chat.open(session);
  }

  send(text) {
    const isNew = !this.chat.session;
    if (isNew) this.composer.switchTo("");
    this.chat.send(text);
    if (!isNew) return;
    this.composer.switchTo(this.chat.session);
    history.replaceState(null, "", address(this.chat.session));
    this.sessions.select(this.chat.session);
  }

  /** Sends what an earlier life of this tab typed and nobody acknowledged. */
  sendAgain() {
    for (const { id, session, text } of this.connection.outbox.all()) {
      if (!this.connection.watched.has(id)) this.chat.take(new Turn(id, session, text));
    }
  }

  stop() {
    const unsent = this.chat.stop();
    if (unsent && !this.composer.text) this.composer.text = unsent;
  }

  pressed(event) {
    if (event.key !== "Escape" || event.defaultPrevented || byId("confirm").open || this.drawer.isOpen) return;
    if (this.chat.running) this.stop();
  }

  copyFrom({ target }) {
    const button = target.closest(".copy-code, .copy-answer");
    if (!button) return;
    const code = button.closest(".code")?.querySelector("code");
    copy(code ? code.textContent : this.chat.answerAround(button), button);
  }

  chatChanged() {
    const title = this.chat.session ? this.sessions.title(this.chat.session) : t("newChat");
    byId("title").textContent = title;
    document.title = this.chat.session ? `${title} – ${this.name}` : this.name;
    this.composer.setAnswering(Boolean(this.chat.running));
  }

  async changed(session = this.chat.session) {
    tabs.postMessage({ session });
    await this.sessions.load();
    this.chatChanged();
  }

  async heardFromTab({ session }) {
    await this.sessions.load();
    if (session === this.chat.session) await this.chat.refresh();
  }

  async refresh() {
    await Promise.all([this.sessions.load(), this.chat.refresh()]);
    this.chatChanged();
  }

  connectionIs(state) {
    this.status.connectionIs(state);
    if (state === "open" && !byId("app").hidden) this.refresh();
  }

  refused(error) {
    if (error.id) this.chat.refused(error);
    else notify(error.message || t("unexpected"));
  }

  gone() {
    notify(t("gone"));
    this.go("");
  }

  async signedIn() {
    try {
      this.greet(await api.status());
      return true;
    } catch (error) {
      if (error.signedOut) this.signedOut();
      return !error.signedOut;
    }
  }

  signedOut() {
    showSignIn(byId, "");
  }
}

function suggestion(title, text, onclick) {
  return el("button", { type: "button", onclick }, el("strong", {}, title), el("span", {}, text));
}

const address = (session) => (session ? `#chat=${encodeURIComponent(session)}` : location.pathname);

function sessionInAddress() {
  const found = /^#chat=([\w.:%-]{1,200})$/.exec(location.hash);
  return found ? decodeURIComponent(found[1]) : "";
}

fillTexts(document);
new App().start();
