// Light, dark, or as the system has it.

import { ICONS, icon } from "./dom.js";
import { keep, kept } from "./kept.js";
import { t } from "./text.js";

export const THEMES = ["auto", "light", "dark"];

export const chosenTheme = () => kept("theme") || "auto";

/** Takes over a theme at once and for later. */
export function chooseTheme(theme) {
  keep("theme", theme === "auto" ? "" : theme);
  document.documentElement.dispatchEvent(new Event("themechange"));
}

/** Makes `button` go round the themes. */
export function themeButton(button) {
  const show = () => {
    const label = t("themes")[chosenTheme()];
    button.setAttribute("aria-label", label);
    button.title = label;
    button.replaceChildren(icon(ICONS[chosenTheme()]));
  };
  button.addEventListener("click", () => chooseTheme(THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length]));
  document.documentElement.addEventListener("themechange", show);
  show();
}
