// The button that chooses light, dark, or as the system has it.

import { ICONS, icon } from "./dom.js";
import { t } from "./text.js";

const ORDER = ["auto", "light", "dark"];

/** Makes `button` go round the themes. The choice is all this page keeps beyond the tab's life. */
export function themeButton(button) {
  let chosen = stored();
  const show = () => {
    const label = t("themes")[chosen];
    button.setAttribute("aria-label", label);
    button.title = label;
    button.replaceChildren(icon(ICONS[chosen]));
  };
  button.addEventListener("click", () => {
    chosen = ORDER[(ORDER.indexOf(chosen) + 1) % ORDER.length];
    store(chosen);
    document.documentElement.dispatchEvent(new Event("themechange"));
    show();
  });
  show();
}

function stored() {
  try {
    return localStorage.getItem("theme") ?? "auto";
  } catch {
    return "auto";
  }
}

function store(theme) {
  try {
    if (theme === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    // storage is forbidden: the system decides
  }
}
