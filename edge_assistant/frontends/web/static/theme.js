// Runs before the first paint, so that nobody in a dark room sees a white flash.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const apply = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("theme");
    } catch {
      // storage is forbidden: the system decides
    }
    root.dataset.theme = chosen ?? (dark.matches ? "dark" : "light");
    document.querySelector("meta[name=theme-color]").content = root.dataset.theme === "dark" ? "#161817" : "#faf9f6";
  };
  dark.addEventListener("change", apply);
  addEventListener("storage", apply);
  root.addEventListener("themechange", apply);
  apply();
})();
