// The list of chats on narrow screens: slides in, keeps the focus, Esc closes it.

import { ICONS, icon } from "./dom.js";

export class Drawer {
  constructor(byId) {
    this.sidebar = byId("sidebar");
    this.main = byId("main");
    this.scrim = byId("scrim");
    this.opener = byId("open-drawer");
    this.closer = byId("close-drawer");
    this.opener.append(icon(ICONS.menu));
    this.closer.append(icon(ICONS.close));
    this.opener.addEventListener("click", () => this.open());
    this.closer.addEventListener("click", () => this.close());
    this.scrim.addEventListener("click", () => this.close());
    this.sidebar.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen && !event.defaultPrevented) this.close();
    });
    matchMedia("(max-width: 820px)").addEventListener("change", () => this.close(false));
  }

  get isOpen() {
    return !this.scrim.hidden;
  }

  open() {
    this.set(true);
    this.closer.focus();
  }

  close(refocus = true) {
    if (!this.isOpen) return;
    this.set(false);
    if (refocus) this.opener.focus();
  }

  set(open) {
    this.scrim.hidden = !open;
    this.main.inert = open;
    this.sidebar.classList.toggle("open", open);
    this.opener.setAttribute("aria-expanded", String(open));
  }
}
