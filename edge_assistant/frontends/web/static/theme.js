// Runs before the first paint, so that nobody in a dark room sees a white flash or words of another language.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const chosen = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage is forbidden: the system decides
    }
  };
  const apply = () => {
    root.dataset.theme = chosen("theme") ?? (dark.matches ? "dark" : "light");
    document.querySelector("meta[name=theme-color]").content = root.dataset.theme === "dark" ? "#161817" : "#faf9f6";
  };
  const preferred = chosen("language") ?? navigator.languages?.find((language) => /^(de|en)\b/.test(language)) ?? "en";
  root.lang = preferred.startsWith("de") ? "de" : "en";
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  root.addEventListener("themechange", apply);
  apply();
})();
