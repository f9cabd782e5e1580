// How the page looks in this browser: language, theme, installing it, leaving.

import { call } from "./api.js";
import { el } from "./dom.js";
import { keep, kept } from "./kept.js";
import { actionButton, choice, labelled } from "./panel-form.js";
import { say } from "./panel-text.js";
import { installer } from "./shell.js";
import { chooseTheme, chosenTheme, THEMES } from "./themes.js";

export async function panel({ me }) {
  const language = choice("page-language", languageOptions(), kept("language"), { onchange: () => speak(language.value) });
  const theme = choice("page-theme", THEMES.map((name) => [name, say("themes")[name]]), chosenTheme(), {
    onchange: () => chooseTheme(theme.value),
  });
  const install = installer();
  return [
    me ? el("p", { class: "muted" }, whoIs(me.user)) : null,
    labelled(say("pageLanguage"), language),
    labelled(say("pageTheme"), theme),
    el("div", { class: "field" }, install ? actionButton(say("install"), install, "quiet") : el("p", { class: "muted small" }, say("installHint"))),
    location.protocol === "https:" ? el("p", {}, el("a", { href: "/trust" }, say("trust"))) : null,
    el("div", { class: "field" }, actionButton(say("signOut"), signOut, "quiet")),
  ].filter(Boolean);
}

function whoIs({ name, role }) {
  return !name || name === role ? say("signedIn", say("roles")[role]) : say("signedInAs", name, say("roles")[role]);
}

export const languageOptions = () => [["", say("asBrowser")], ["en", "English"], ["de", "Deutsch"]];

/** Another language needs the page anew: every word of it is drawn already. */
export function speak(language) {
  keep("language", language);
  location.reload();
}

/** What this person typed and never sent leaves with them. */
async function signOut() {
  await call("POST", "/api/signout").catch(() => {});
  keep("outbox", "");
  sessionStorage.clear();
  location.reload();
}
