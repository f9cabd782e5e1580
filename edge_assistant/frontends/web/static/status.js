// How the device is: one dot with words, and a banner when there is something to know.

import * as api from "./api.js";
import { t } from "./text.js";

const SOON_MS = 1500;
const LATER_MS = 30_000;
const MODEL_WORDS = { loading: "loading", restarting: "restarting", failed: "modelFailed", stopped: "modelStopped" };

/** Returns what a notice tells, in the page's language where the page knows it. */
export function noticeWords({ code, message }) {
  return t("notices")[code] ?? message;
}

export class Status {
  constructor(byId, { onSignedOut, onTold }) {
    this.onTold = onTold;
    this.setUp = null; // whether the device was set up; null while unknown
    this.line = byId("status");
    this.words = byId("status-text");
    this.banner = byId("banner");
    this.onSignedOut = onSignedOut;
    this.connection = "connecting";
    this.model = null;
    this.notices = [];
    this.timer = 0;
    document.addEventListener("visibilitychange", () => document.hidden || this.check());
  }

  /** Takes over what the connection says of itself. */
  connectionIs(state) {
    this.connection = state;
    this.show();
    if (state === "open") this.check();
  }

  /** Takes over the body of `GET /api/status`. */
  take(status) {
    this.model = status.model;
    this.notices = status.notices;
    this.setUp = status.set_up;
    this.onTold(status);
    this.show();
    this.later();
  }

  async check() {
    clearTimeout(this.timer);
    try {
      this.take(await api.status());
    } catch (error) {
      if (error.signedOut) this.onSignedOut();
      else this.later();
    }
  }

  later() {
    clearTimeout(this.timer);
    if (document.hidden || this.connection !== "open") return;
    this.timer = setTimeout(() => this.check(), this.model?.phase === "ready" ? LATER_MS : SOON_MS);
  }

  show() {
    const [mood, words, banner] = this.describe();
    this.line.dataset.mood = mood;
    this.line.title = t("statusMore");
    if (this.words.textContent !== words) this.words.textContent = words;
    this.banner.hidden = !banner;
    this.banner.dataset.mood = mood;
    if (this.banner.textContent !== banner) this.banner.textContent = banner;
  }

  /** Returns the dot's mood, its words, and the banner's (empty when there is nothing to say). */
  describe() {
    if (this.connection === "offline") return ["bad", t("offline"), t("offlineHint")];
    if (this.connection === "connecting" || !this.model) return ["wait", t("connecting"), ""];
    const { phase, detail } = this.model;
    if (phase === "ready") return ["good", t("ready"), this.notices.map((notice) => noticeWords(notice)).join(" · ")];
    const words = t(MODEL_WORDS[phase] ?? "loading");
    if (phase === "loading") return ["wait", words, t("loadingHint")];
    if (phase === "restarting") return ["wait", words, detail];
    return ["bad", words, detail ? `${words}: ${detail}` : words];
  }
}
