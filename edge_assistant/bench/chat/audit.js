// Looks at a page as a reviewer with a screen reader and a contrast meter would. Returns complaints.
() => {
  const shown = (node) => node.checkVisibility({ checkOpacity: false, checkVisibilityCSS: true });
  const where = (node) => `${node.tagName.toLowerCase()}#${node.id}.${node.className}`;
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
  };
  const over = (top, bottom) => {
    const alpha = top[3] / 255;
    return [0, 1, 2].map((i) => top[i] * alpha + bottom[i] * (1 - alpha)).concat(255);
  };
  const background = (node) => {
    const layers = [];
    for (let each = node; each; each = each.parentElement) {
      const color = rgba(getComputedStyle(each).backgroundColor);
      if (color[3]) layers.push(color);
      if (color[3] === 255) break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 255]);
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const complaints = [];

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !shown(node) || node.closest(".hidden, noscript, :disabled")) continue;
    const behind = background(node);
    const ratio = contrast(over(rgba(getComputedStyle(node).color), behind), behind);
    if (ratio < 4.5) complaints.push(`contrast ${ratio.toFixed(2)} of “${walker.currentNode.data.trim().slice(0, 30)}” in ${where(node)}`);
  }

  const name = (node) => {
    const labelled = (node.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
    const labels = Array.from(node.labels ?? [], (label) => label.textContent).join(" ");
    return (labelled + (node.getAttribute("aria-label") ?? "") + labels + node.textContent).trim();
  };
  for (const node of document.querySelectorAll("button, a[href], input, textarea, [tabindex], [role=region], [role=log], nav")) {
    if (shown(node) && !name(node)) complaints.push(`no name: ${where(node)}`);
    if (node.tabIndex > 0) complaints.push(`own focus order: ${where(node)}`);
  }
  for (const node of document.querySelectorAll("button, input, textarea")) {
    const { width, height } = node.getBoundingClientRect();
    if (shown(node) && width && Math.min(width, height) < 24) complaints.push(`smaller than 24 px: ${where(node)}`);
  }
  for (const node of document.querySelectorAll("img:not([alt])")) complaints.push(`no alt: ${where(node)}`);
  const ids = Array.from(document.querySelectorAll("[id]"), (node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) complaints.push(`twice: #${id}`);
  if (Array.from(document.querySelectorAll("h1")).filter(shown).length !== 1) complaints.push("not one h1");
  if (Array.from(document.querySelectorAll("main")).filter(shown).length !== 1) complaints.push("not one main");
  if (!document.documentElement.lang) complaints.push("no language");
  if (document.documentElement.scrollWidth > innerWidth) complaints.push("wider than the screen");
  return complaints;
}
