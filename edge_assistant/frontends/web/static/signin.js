// The way in: a one-time link, scanned, opened or pasted, or the six digits that go with it.

import * as api from "./api.js";
import { Outbox } from "./outbox.js";
import { t } from "./text.js";

/** Returns the token in a sign-in link, or in what is left of one after copying; else "". */
export function tokenIn(text) {
  const trimmed = text.trim();
  const found = /[#&?]signin=([\w-]+)/.exec(trimmed) ?? /^([\w-]{16,200})$/.exec(trimmed);
  return found ? found[1] : "";
}

/** Returns what to sign in with: the digits of a code, or the token of a link; null when it is neither. */
function wayIn(text) {
  const code = /^\s*(\d{3})\s*(\d{3})\s*$/.exec(text);
  if (code) return { code: code[1] + code[2] };
  const token = tokenIn(text);
  return token ? { token } : null;
}

/**
 * Uses the link this page was opened with, and takes the token out of the address at once: it must
 * not stay in the history. Returns what went wrong, in words, else "".
 */
export async function useLink() {
  const { hash } = location;
  if (!hash.startsWith("#signin=")) return "";
  history.replaceState(null, "", location.pathname);
  rememberAuthority(hash);
  return trySignIn(wayIn(hash));
}

/** Keeps the fingerprint of the scanned code for the page that explains trust, as long as this tab lives. */
function rememberAuthority(hash) {
  const found = /&ca=([0-9A-F]{64})$/.exec(hash);
  try {
    if (found) sessionStorage.setItem("authority", found[1]);
  } catch {
    // storage is forbidden: people compare by eye
  }
}

async function trySignIn(way) {
  if (!way) return t("badLink");
  try {
    const { user } = await api.signIn(way);
    new Outbox().forgetOthers(user);
    return "";
  } catch (error) {
    if (error.code === "OFFLINE") return t("noDevice");
    return error.code === "SIGN_IN_THROTTLED" ? error.message : t("badLink");
  }
}

/** Shows the page for those who aren't signed in, with `problem` where a link failed. */
export function showSignIn(byId, problem) {
  byId("app").hidden = true;
  const page = byId("signin");
  if (!page.hidden) return;
  page.hidden = false;
  byId("signin-problem").textContent = problem;
  byId("signin-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const failure = await trySignIn(wayIn(byId("link").value));
    if (failure) byId("signin-problem").textContent = failure;
    else location.reload();
  });
  byId("link").focus();
}
