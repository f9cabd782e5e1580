// One question and its answer, as the events tell it. Knows nothing of the page.

export class Turn {
  /** `replaces` is the id of the turn that was edited, else "". */
  constructor(id, session, question, replaces = "") {
    this.id = id;
    this.replaces = replaces;
    this.session = session;
    this.question = question;
    this.phase = "sending"; // → reading → writing → complete | interrupted | truncated | failed | refused
    this.text = "";
    this.progress = null; // {done, total} tokens of the prompt
    this.line = null; // {place, seconds} while others are answered first
    this.notice = "";
    this.error = null; // {code, message, retry_after}
    this.sources = []; // {n, kind, source, title, where, url} that the answer stands on
    this.asked = null; // {action, summary, pin} while it asks whether it may do something
    this.route = this.timings = this.usage = null;
    this.createdAt = Date.now() / 1000;
  }

  /** Returns the turn that `GET /api/sessions/{id}` describes. */
  static stored(view, session) {
    const turn = new Turn(view.id, session, view.user_text);
    turn.phase = view.status === "running" ? "reading" : view.status;
    if (turn.ended) turn.text = view.answer_text;
    turn.route = view.route ?? (view.model ? { model: view.model } : null);
    turn.timings = view.timings;
    turn.usage = view.usage;
    turn.sources = view.sources ?? [];
    turn.error = view.status === "failed" ? { code: view.error_code ?? "", message: "" } : null;
    turn.createdAt = view.created_at;
    return turn;
  }

  get ended() {
    return !["sending", "reading", "writing"].includes(this.phase);
  }

  get mayRetry() {
    return ["interrupted", "failed", "refused"].includes(this.phase);
  }

  apply(event) {
    APPLY[event.type]?.(this, event);
  }

  refuse(error) {
    this.phase = "refused";
    this.error = error;
  }
}

const APPLY = {
  "turn.started": (turn) => {
    if (turn.phase === "sending") turn.phase = "reading";
  },
  "turn.queued": (turn, { place, wait_seconds }) => {
    turn.line = { place, seconds: Math.ceil(wait_seconds) };
  },
  sources: (turn, { items }) => {
    turn.sources = items;
  },
  "confirm.asked": (turn, { action, summary, pin }) => {
    turn.asked = { action, summary, pin };
  },
  "prompt.progress": (turn, { done, total }) => {
    turn.line = null;
    turn.progress = { done, total };
  },
  "text.delta": (turn, { text }) => {
    turn.phase = "writing";
    turn.text += text;
  },
  "turn.finished": (turn, { text, status, notice, route, timings, usage, sources }) => {
    Object.assign(turn, { text, phase: status ?? "complete", notice: notice ?? "", sources: sources ?? [], route, timings, usage });
  },
  "turn.failed": (turn, { code, message, retry_after }) => {
    turn.phase = "failed";
    turn.error = { code, message, retry_after };
  },
};
