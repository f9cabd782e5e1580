// What this browser keeps beyond the page: choices of looks, drafts, and messages on their way. Storage may be
// forbidden or full; everything here then lives as long as the page.

/** Returns what is kept under `key`, else "". */
export function kept(key, storage = () => localStorage) {
  try {
    return storage().getItem(key) ?? "";
  } catch {
    return "";
  }
}

/** Keeps `text` under `key`; an empty one is forgotten. Returns whether that worked. */
export function keep(key, text, storage = () => localStorage) {
  try {
    if (text) storage().setItem(key, text);
    else storage().removeItem(key);
    return true;
  } catch {
    return false;
  }
}
