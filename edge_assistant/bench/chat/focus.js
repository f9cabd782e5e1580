// Says what Tab reaches on a page, in the order of the document, and gives each an index to be known by.
() => {
  const shown = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest("[inert]");
  const scope = Array.from(document.querySelectorAll("dialog[open]")).at(-1) ?? document;
  const all = Array.from(scope.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']"));
  const reached = all.filter((node) => shown(node) && !node.disabled && node.tabIndex >= 0);
  reached.forEach((node, index) => (node.dataset.stop = index));
  return reached.length;
}
