// Every panel of the page, in the order in which they are listed. A panel's module is fetched when somebody opens
// it. docs/page.md says how to add one.

const RANKS = ["guest", "member", "owner"];

/**
 * `title` is `[English, German]`; `role` the least that may open it; `needs` the section of the configuration that
 * must be on; `icon` is the `d` of its path, and with it the panel also stands in the list beside the chats.
 */
export const PANELS = [
  { id: "page", title: ["This page", "Diese Seite"], role: "guest", load: () => import("./panel-page.js") },
  { id: "assistant", title: ["Assistant", "Assistent"], role: "owner", load: () => import("./panel-assistant.js") },
  { id: "model", title: ["Model", "Modell"], role: "owner", load: () => import("./panel-model.js") },
  {
    id: "documents",
    title: ["Documents", "Dokumente"],
    role: "member",
    needs: "documents",
    icon: "M6 3h9l4 4v14H6zM15 3v5h5",
    load: () => import("./panel-documents.js"),
  },
  {
    id: "home",
    title: ["House", "Haus"],
    role: "member",
    needs: "home",
    icon: "M4 11l8-7 8 7M6 10v10h12V10M12 13v4M9.500 15h5",
    load: () => import("./panel-home.js"),
  },
  {
    id: "timers",
    title: ["Timers and lists", "Timer und Listen"],
    role: "guest",
    needs: "tools",
    icon: "M12 7v5l3.500 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
    load: () => import("./panel-timers.js"),
  },
  { id: "status", title: ["Status", "Zustand"], role: "guest", load: () => import("./panel-status.js") },
  {
    id: "memory",
    title: ["Memory", "Gedächtnis"],
    role: "guest",
    needs: "memory",
    icon: "M12 5a4 4 0 0 0-7 2 4 4 0 0 0-1 6 4 4 0 0 0 5 5 3 3 0 0 0 3-2zM12 5a4 4 0 0 1 7 2 4 4 0 0 1 1 6 4 4 0 0 1-5 5 3 3 0 0 1-3-2zM12 5v11",
    load: () => import("./panel-memory.js"),
  },
  { id: "turns", title: ["Last answers", "Letzte Antworten"], role: "guest", load: () => import("./panel-turns.js") },
];

/** Returns the panels for somebody of `role` on a device whose `features` are on. */
export function panelsFor(role, features) {
  return PANELS.filter((each) => RANKS.indexOf(role) >= RANKS.indexOf(each.role) && (!each.needs || features.includes(each.needs)));
}

/** Returns what a panel is called in the page's language. */
export const titleOf = ({ title: [english, german] }) => (document.documentElement.lang === "de" ? german : english);

/** Returns `say(key, ...values)` over two tables of words with the same keys. */
export function speaker(english, german) {
  return (key, ...values) => {
    const words = (document.documentElement.lang === "de" ? german : english)[key];
    return typeof words === "function" ? words(...values) : words;
  };
}
