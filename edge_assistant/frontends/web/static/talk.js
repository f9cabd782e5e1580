// Hold to talk: the microphone's sound goes to the device, captions and the spoken answer come back.

import { newId } from "./api.js";
import { el, ICONS, icon } from "./dom.js";
import { errorText, t } from "./text.js";
import { Loudspeaker } from "./loudspeaker.js";

const RATE_HZ = 16_000;
const SHORTEST_MS = 300; // a shorter press is a tap: it says how to use the button

/** Returns whether this browser lets a page hear: only over TLS, or on the device itself. */
export const mayHear = () => Boolean(navigator.mediaDevices?.getUserMedia && globalThis.AudioWorkletNode);

export class Talk {
  /**
   * `session()` names the chat that is talked into, `onSaid({id, session, text})` gets what was understood,
   * `onProblem(text)` why nothing came of it.
   */
  constructor(form, connection, { session, onSaid, onProblem }) {
    Object.assign(this, { connection, session, onSaid, onProblem });
    this.said = null; // {id, session, began} of what is being said or understood; null while nothing is
    this.microphone = null; // {context, stream} while it is open
    this.loudspeaker = new Loudspeaker({ onState: () => this.show() });
    this.caption = el("p", { class: "banner caption", role: "status", hidden: true });
    this.button = el("button", { type: "button", id: "talk", class: "send talk", "aria-label": t("talk"), title: t("talk") }, icon(ICONS.microphone));
    this.button.addEventListener("pointerdown", (event) => this.pressed(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) this.button.addEventListener(end, () => this.release());
    this.button.addEventListener("contextmenu", (event) => event.preventDefault());
    this.button.addEventListener("keydown", (event) => this.key(event, () => this.press()));
    this.button.addEventListener("keyup", (event) => this.key(event, () => this.release()));
    this.button.addEventListener("blur", () => this.release());
    form.querySelector("textarea").after(this.button);
    form.before(this.caption);
    connection.onVoice = (event) => this.heard(event);
    connection.onSound = (frame) => this.loudspeaker.play(frame);
    this.show();
  }

  pressed(event) {
    if (event.button) return;
    event.preventDefault();
    this.button.setPointerCapture(event.pointerId);
    this.button.focus();
    this.press();
  }

  key(event, act) {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) act();
  }

  async press() {
    if (this.said) return;
    this.silence();
    if (!this.connection.isOpen) return this.onProblem(t("offline"));
    this.said = { id: newId(), session: this.session(), began: performance.now(), ended: false };
    this.say(t("talkNow"));
    const { said } = this;
    try {
      await this.loudspeaker.wake();
      await this.open(said);
    } catch (error) {
      if (this.said === said) this.fail(t(error.name === "NotAllowedError" ? "talkForbidden" : "talkNoMicrophone"));
    }
  }

  release() {
    const { said } = this;
    if (!said || said.ended) return;
    said.ended = true;
    const tapped = performance.now() - said.began < SHORTEST_MS;
    if (!this.microphone || tapped) {
      this.connection.stop(said.id);
      return this.fail(t("talkHint"));
    }
    this.close();
    this.connection.transmit({ type: "audio.end", id: said.id });
    this.show();
  }

  /** Falls silent, and drops what the device would still say aloud. */
  silence() {
    const { id } = this.loudspeaker;
    this.loudspeaker.silence();
    if (id) this.connection.stop(id);
  }

  /** Takes that the device refused or lost what is being said; returns whether it was that. */
  refused({ id, code, message }) {
    if (this.said?.id !== id) return false;
    this.fail(errorText({ code, message }) || t("unexpected"));
    return true;
  }

  /** What was being said went with the connection. */
  lost() {
    this.loudspeaker.silence();
    if (this.said) this.fail(t("offline"));
  }

  heard(event) {
    if (event.type === "audio.begin") return this.loudspeaker.begin(event);
    const { said } = this;
    if (event.id !== said?.id) return;
    if (event.type === "transcript.partial") return this.say(event.text);
    this.said = null;
    this.close();
    this.say("");
    this.onSaid({ id: said.id, session: said.session, text: event.text });
  }

  async open(said) {
    const wanted = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    const context = new AudioContext();
    const microphone = { context, stream };
    await context.audioWorklet.addModule("/static/recorder.js").catch((error) => {
      stop(microphone);
      throw error;
    });
    if (this.said !== said || said.ended) return stop(microphone);
    this.microphone = microphone;
    this.connection.transmit({ type: "audio.start", id: said.id, session: said.session });
    const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, processorOptions: { rate: RATE_HZ } });
    recorder.port.onmessage = ({ data }) => this.microphone === microphone && this.connection.transmitSound(data);
    context.createMediaStreamSource(stream).connect(recorder);
    this.show();
  }

  close() {
    if (this.microphone) stop(this.microphone);
    this.microphone = null;
  }

  fail(text) {
    this.said = null;
    this.close();
    this.say("");
    this.onProblem(text);
  }

  say(text) {
    this.caption.textContent = text;
    this.caption.hidden = !text;
    this.show();
  }

  show() {
    const understanding = this.said?.ended ? "understanding" : "idle";
    const state = this.microphone ? "listening" : this.loudspeaker?.playing ? "speaking" : understanding;
    this.button.dataset.state = state;
    this.button.setAttribute("aria-pressed", String(state === "listening"));
  }
}

function stop({ context, stream }) {
  for (const track of stream.getTracks()) track.stop();
  context.close();
}
