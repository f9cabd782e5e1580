// The way in: a one-time link, opened or pasted.

import * as api from "./api.js";
import { t } from "./text.js";

/** Returns the token in a sign-in link, or in what is left of one after copying; else "". */
export function tokenIn(text) {
  const trimmed = text.trim();
  const found = /[#&?]signin=([\w-]+)/.exec(trimmed) ?? /^([\w-]{16,200})$/.exec(trimmed);
  return found ? found[1] : "";
}

/**
 * Uses the link this page was opened with, and takes the token out of the address at once: it must
 * not stay in the history. Returns what went wrong, in words, else "".
 */
export async function useLink() {
  const token = tokenIn(location.hash);
  if (!location.hash.startsWith("#signin=")) return "";
  history.replaceState(null, "", location.pathname);
  return trySignIn(token);
}

async function trySignIn(token) {
  if (!token) return t("badLink");
  try {
    await api.signIn(token);
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
    const failure = await trySignIn(tokenIn(byId("link").value));
    if (failure) byId("signin-problem").textContent = failure;
    else location.reload();
  });
  byId("link").focus();
}
