// Puts the page together: who is signed in, the connection, the chat, the list beside it.

import * as api from "./api.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { el, ICONS, icon, loadStyle } from "./dom.js";
import { Drawer } from "./drawer.js";
import { copy, notify } from "./notices.js";
import { panelsFor, titleOf } from "./panels.js";
import { Follow } from "./scroll.js";
import { Search } from "./search.js";
import { SessionList } from "./sessions.js";
import { keepShell } from "./shell.js";
import { showSignIn, useLink } from "./signin.js";
import { Connection } from "./socket.js";
import { Status } from "./status.js";
import { errorText, fillTexts, t } from "./text.js";
import { themeButton } from "./themes.js";
import { Turn } from "./turn.js";

const byId = (id) => document.getElementById(id);

/** The other tabs of this browser hear here that a chat changed. */
const tabs = new BroadcastChannel("edge-assistant");

const PATIENCE_MS = 2500;

class App {
  constructor() {
    this.name = t("assistant");
    this.met = false; // whether it is known who is signed in
    this.role = "guest";
    this.talk = null; // hold to talk; null where the device or the browser can't
    this.features = []; // sections of the configuration that are on
    this.drawer = new Drawer(byId);
    this.status = new Status(byId, { onSignedOut: () => this.signedOut(), onTold: (status) => this.greet(status) });
    this.connection = new Connection({
      onEvent: (event) => this.chat.heard(event),
      onRefused: (error) => this.refused(error),
      onState: (state) => this.connectionIs(state),
      onNews: (session) => this.heardFromTab({ session }),
      signedIn: () => this.signedIn(),
    });
    this.chat = new Chat(byId, this.connection, new Follow(byId("scroll"), byId("jump")), {
      name: () => this.name,
      isListed: (id) => this.sessions.items.some((item) => item.id === id),
      onState: () => this.chatChanged(),
      onChanged: () => this.changed(),
      onEdit: (turn) => this.composer.edit(turn.id, turn.question),
      onGone: () => this.gone(),
    });
    this.search = new Search(byId("search"), { onFound: (nodes) => this.sessions.show(nodes), onOpen: (hit) => this.find(hit) });
    this.sessions = new SessionList(byId("sessions"), {
      onOpen: (id) => this.go(id),
      onGone: (id) => id === this.chat.session && this.go(""),
      onChanged: (id) => this.changed(id),
    });
    this.composer = new Composer(byId, { onSend: (...message) => this.send(...message), onStop: () => this.stop() });
    this.listen();
  }

  listen() {
    themeButton(byId("theme"));
    byId("new-chat").prepend(icon(ICONS.plus));
    byId("new-chat").addEventListener("click", () => this.go(""));
    byId("household").prepend(icon(ICONS.people));
    byId("household").addEventListener("click", () => this.openHousehold());
    byId("settings").prepend(icon(ICONS.settings));
    byId("settings").addEventListener("click", () => this.openSettings());
    byId("status").addEventListener("click", () => this.openSettings("status"));
    byId("export").append(icon(ICONS.save));
    byId("log").addEventListener("click", (event) => this.copyFrom(event));
    byId("log").addEventListener("click", (event) => this.openCited(event));
    addEventListener("dragover", (event) => event.preventDefault()); // else the browser leaves the page for the file
    addEventListener("drop", (event) => this.dropped(event));
    document.addEventListener("keydown", (event) => this.pressed(event));
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    addEventListener("popstate", () => this.open(sessionInAddress()));
    tabs.onmessage = ({ data }) => this.heardFromTab(data);
  }

  /** The dialog and its looks are fetched when somebody wants to see them. */
  async openHousehold() {
    await loadStyle("/static/household.css");
    const { openHousehold } = await import("./household.js");
    await openHousehold();
  }

  async openCited({ target }) {
    const cite = target.closest(".cite");
    if (!cite) return;
    const { openPassage } = await import("./passage.js");
    await openPassage(cite.dataset.document, Number(cite.dataset.place));
  }

  /** Files that are dropped anywhere go into the library. */
  dropped(event) {
    event.preventDefault();
    const { files } = event.dataTransfer;
    const mayTake = files.length && this.features.includes("documents") && !document.querySelector("dialog[open]");
    if (mayTake) this.openSettings("documents", files);
  }

  async openSettings(panel = "", files = null) {
    await loadStyle("/static/panels.css");
    const { openSettings } = await import("./settings.js");
    await openSettings(panel, {
      features: this.features,
      files,
      changed: () => this.status.check(),
      openSession: (id) => this.go(id),
      openHousehold: () => this.openHousehold(),
      line: () => this.chat.running?.line ?? null,
    });
  }

  /** Once, on a new device, its owner is asked what everything else builds on. */
  async openWizard() {
    await Promise.all([loadStyle("/static/panels.css"), loadStyle("/static/household.css")]);
    const { openWizard } = await import("./wizard.js");
    await openWizard({ changed: () => this.status.check() });
  }

  async start() {
    const problem = await useLink();
    try {
      await soon(api.status().then((status) => this.status.take(status)));
    } catch (error) {
      if (error.signedOut) return showSignIn(byId, problem);
    }
    byId("app").hidden = false;
    if (this.connection.outbox.all().length) await soon(Promise.all([this.meet(), this.sessions.load()]));
    this.sendAgain();
    this.connection.start();
    await Promise.all([this.sessions.load(), this.open(sessionInAddress()), this.meet()]);
    this.composer.invite();
    keepShell();
  }

  /** Learns who is signed in: nobody sends another's words, and only the owner sets the device up. */
  async meet() {
    if (this.met) return;
    this.met = true;
    const me = await api.me().catch(() => null);
    this.met = Boolean(me);
    if (!me) return;
    this.connection.outbox.person = me.user.id;
    this.sessions.signedInAs(me);
    this.role = me.user.role;
    this.listPanels();
    if (me.user.role === "owner" && this.status.setUp === false) await this.openWizard();
  }

  greet(status) {
    this.name = status.assistant || this.name;
    this.features = status.features;
    if (status.voice) this.offerTalk();
    this.listPanels();
    byId("promise").textContent = status.leaves.map((what) => t("leaves")[what]).join(" ") || t("promise");
    byId("brand").textContent = this.name;
    this.composer.field.placeholder = t("messageTo", this.name);
    byId("empty-title").textContent = t("emptyTitle", this.name);
    const buttons = t("suggestions").map(([title, text]) => suggestion(title, text, () => this.send(text)));
    byId("suggestions").replaceChildren(...buttons);
  }

  /** Where the device understands speech and this browser may hear, a button is held to talk. */
  async offerTalk() {
    if (this.talk || !navigator.mediaDevices) return;
    const { Talk, mayHear } = await import("./talk.js");
    if (this.talk || !mayHear()) return;
    this.talk = new Talk(byId("composer"), this.connection, {
      session: () => this.chat.session || api.newId(),
      onSaid: (said) => this.said(said),
      onProblem: notify,
    });
  }

  said({ id, session, text }) {
    const isNew = !this.chat.session;
    if (isNew) this.chat.session = session;
    this.chat.heardSaid(new Turn(id, session, text));
    if (isNew) this.begun();
  }

  /** Lists the panels that stand beside the chats. */
  listPanels() {
    const shown = panelsFor(this.role, this.features).filter((each) => each.icon);
    if (byId("panels").childElementCount === shown.length) return;
    const button = (each) =>
      el("button", { type: "button", id: `side-${each.id}`, class: "side-button", onclick: () => this.openSettings(each.id) }, icon(each.icon), el("span", {}, titleOf(each)));
    byId("panels").replaceChildren(...shown.map(button));
  }

  /** Shows a chat and puts it into the address, so that Back and reload find it. */
  go(session) {
    if (session !== sessionInAddress()) history.pushState(null, "", address(session));
    this.drawer.close(false);
    this.composer.invite();
    return this.open(session);
  }

  /** Shows where the words of a search stand. */
  async find({ session, turn }) {
    await this.go(session);
    if (turn) await this.chat.reveal(turn);
  }

  async open(session) {
    this.composer.switchTo(session);
    this.sessions.select(session);
    await this.chat.open(session);
  }

  send(text, replaces = "") {
    const isNew = !this.chat.session;
    if (isNew) this.composer.switchTo("");
    this.chat.send(text, replaces);
    if (isNew) this.begun();
  }

  /** The chat that was yet to begin has its first message. */
  begun() {
    this.composer.switchTo(this.chat.session);
    history.replaceState(null, "", address(this.chat.session));
    this.sessions.select(this.chat.session);
  }

  /** Sends what an earlier life of this tab typed and nobody acknowledged. */
  sendAgain() {
    for (const { id, session, text, replaces } of this.connection.outbox.all()) {
      if (!this.connection.watched.has(id)) this.chat.take(new Turn(id, session, text, replaces ?? ""));
    }
  }

  stop() {
    this.talk?.silence();
    const unsent = this.chat.stop();
    if (unsent && !this.composer.text) this.composer.text = unsent;
  }

  pressed(event) {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]") || this.drawer.isOpen) return;
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
    byId("export").hidden = !this.chat.session;
    if (this.chat.session) byId("export").href = api.exportAddress(this.chat.session, "markdown");
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
    await this.sessions.load();
    await this.chat.refresh();
    this.chatChanged();
  }

  connectionIs(state) {
    this.status.connectionIs(state);
    this.chat.connectionChanged();
    if (state !== "open") this.talk?.lost();
    if (state === "open" && !byId("app").hidden) this.meet();
    if (state === "open" && !byId("app").hidden) this.refresh();
  }

  refused(error) {
    if (this.talk?.refused(error)) return;
    if (error.id) this.chat.refused(error);
    else notify(errorText(error) || t("unexpected"));
  }

  gone() {
    notify(t("gone"));
    this.go("");
  }

  async signedIn() {
    try {
      this.status.take(await api.status());
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

/** Waits for what the device says, but not long: away from home it may not even refuse. */
function soon(promise) {
  return Promise.race([promise, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

const address = (session) => (session ? `#chat=${encodeURIComponent(session)}` : location.pathname);

function sessionInAddress() {
  const found = /^#chat=([\w.:%-]{1,200})$/.exec(location.hash);
  return found ? decodeURIComponent(found[1]) : "";
}

fillTexts(document);
new App().start();
