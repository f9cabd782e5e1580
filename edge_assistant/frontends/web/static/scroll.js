// Keeps the newest words in view, but only for a person who is at the end already.

const NEAR_PX = 48;

export class Follow {
  constructor(area, jump) {
    this.area = area;
    this.jump = jump;
    this.following = true;
    this.top = 0;
    area.addEventListener("scroll", () => this.scrolled(), { passive: true });
    jump.addEventListener("click", () => this.toEnd(true));
    new ResizeObserver(() => this.keep()).observe(area);
    new ResizeObserver(() => this.keep()).observe(area.firstElementChild);
  }

  get distance() {
    return this.area.scrollHeight - this.area.clientHeight - this.area.scrollTop;
  }

  /** Only scrolling up lets go: text that grows below also puts the end further away. */
  scrolled() {
    const up = this.area.scrollTop < this.top - 1;
    this.top = this.area.scrollTop;
    if (this.distance < NEAR_PX) this.following = true;
    else if (up) this.following = false;
    this.show();
  }

  keep() {
    if (this.following) this.area.scrollTop = this.area.scrollHeight;
    this.show();
  }

  /** Stays where the person is led to. */
  leave() {
    this.following = false;
    this.show();
  }

  toEnd(smooth = false) {
    this.following = true;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.area.scrollTo({ top: this.area.scrollHeight, behavior: smooth && !calm ? "smooth" : "instant" });
    this.show();
  }

  show() {
    this.jump.hidden = this.following || this.distance < NEAR_PX;
  }
}
