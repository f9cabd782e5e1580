// The HTTP calls of the page. Every failure is an ApiError with the code the device gave it.

export class ApiError extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }

  get signedOut() {
    return this.code === "NOT_SIGNED_IN";
  }
}

const SECONDS = 15;

/** Makes one call and returns its answer; throws `ApiError`, also when that takes longer than `seconds`. */
export async function call(method, path, body, seconds = SECONDS) {
  const options = { method, signal: AbortSignal.timeout(seconds * 1000) };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError("OFFLINE", "the device doesn't answer");
  }
  const content = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return content;
  const error = content?.error ?? {};
  throw new ApiError(error.code ?? "HTTP_ERROR", error.message ?? response.statusText, response.status);
}

const FORGET_SECONDS = 3600; // every backup is gone through

/** Forgets a topic, person, session or document everywhere; returns the receipt. */
export const forget = (wish) => call("POST", "/api/forget", wish, FORGET_SECONDS);

const session = (id) => `/api/sessions/${encodeURIComponent(id)}`;

/** `way` is `{token}` of a link or `{code}` that somebody typed. */
export const signIn = (way) => call("POST", "/api/signin", way);
export const me = () => call("GET", "/api/me");
export const search = async (words) => (await call("GET", `/api/search?q=${encodeURIComponent(words)}`)).hits;
export const exportAddress = (id, format) => `${session(id)}/export?format=${format}&lang=${document.documentElement.lang}`;
export const status = () => call("GET", "/api/status");
export const sessions = async () => (await call("GET", "/api/sessions")).sessions;
export const share = (id, visibility) => call("PATCH", session(id), { visibility });
export const rename = (id, title) => call("PATCH", session(id), { title });
export const erase = (id) => call("DELETE", session(id));

/** Returns `{session, turns, more, running}`; `before` is the turn whose predecessors are wanted. */
export const transcript = (id, before) =>
  call("GET", session(id) + (before ? `?before=${encodeURIComponent(before)}` : ""));

/** Returns a random UUID; over plain http on a LAN browsers offer no `randomUUID`. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
