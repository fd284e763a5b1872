"use strict";

const SMALLEST_CARD = 168;
const GAP = 12;
const SPARE_ROWS = 1;

// Cards of what is in view and no others: ten thousand images cost as much as fifty.
class Grid {
  constructor(root, draw, open) {
    this.root = root;
    this.draw = draw;
    this.open = open;
    this.order = [];
    this.items = new Map();
    this.active = 0;
    this.frame = 0;
    const later = () => (this.frame ||= requestAnimationFrame(() => this.render()));
    addEventListener("scroll", later, { passive: true });
    new ResizeObserver(() => this.layout()).observe(root);
    root.addEventListener("keydown", (event) => this.onKey(event));
    root.addEventListener("click", (event) => {
      const item = event.target.closest(".item");
      if (item) this.open(Number(item.dataset.place));
    });
    root.addEventListener("focusin", (event) => this.setActive(Number(event.target.closest(".item").dataset.place)));
  }

  show(order) {
    this.order = order;
    this.active = 0;
    this.clear();
    this.layout();
  }

  clear() {
    for (const item of this.items.values()) item.remove();
    this.items.clear();
  }

  layout() {
    const width = this.root.clientWidth;
    this.columns = Math.max(1, Math.floor((width + GAP) / (SMALLEST_CARD + GAP)));
    this.width = (width - GAP * (this.columns - 1)) / this.columns;
    const lines = 1 + known.length + (settings.domains.length > 1 ? 1 : 0);
    this.height = this.width + 19 * lines + 18;
    const rows = Math.ceil(this.order.length / this.columns);
    this.root.style.height = `${rows * (this.height + GAP)}px`;
    for (const [place, item] of this.items) this.position(item, place);
    this.render();
  }

  position(item, place) {
    const [row, column] = [Math.floor(place / this.columns), place % this.columns];
    item.style.width = `${this.width}px`;
    item.style.height = `${this.height}px`;
    item.style.transform = `translate(${column * (this.width + GAP)}px, ${row * (this.height + GAP)}px)`;
  }

  hasFocus() {
    return this.root.contains(document.activeElement);
  }

  visible() {
    const step = this.height + GAP;
    const above = -this.root.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / step) - SPARE_ROWS) * this.columns;
    const last = Math.max(0, Math.ceil((above + innerHeight) / step) + SPARE_ROWS) * this.columns;
    return [first, Math.min(last, this.order.length)];
  }

  render() {
    this.frame = 0;
    const [first, last] = this.visible();
    const focused = this.hasFocus();
    // Focus would be lost with its card; without focus, the way in with Tab is a card in view.
    if (!focused && last > first && (this.active < first || this.active >= last)) this.active = first;
    const isWanted = (place) => (place >= first && place < last) || (focused && place === this.active);
    for (const [place, item] of this.items) {
      if (!isWanted(place)) {
        item.remove();
        this.items.delete(place);
      }
    }
    for (let place = first; place < last; place += 1) this.add(place);
    for (const [place, item] of this.items) item.firstChild.tabIndex = place === this.active ? 0 : -1;
  }

  add(place) {
    if (this.items.has(place) || !(place < this.order.length)) return;
    const item = element("div", "item");
    item.dataset.place = place;
    item.dataset.image = this.order[place];
    item.setAttribute("role", "listitem");
    item.setAttribute("aria-posinset", place + 1);
    item.setAttribute("aria-setsize", this.order.length);
    item.append(this.draw(this.order[place]));
    this.position(item, place);
    this.root.append(item);
    this.items.set(place, item);
  }

  setActive(place) {
    for (const [other, item] of this.items) item.firstChild.tabIndex = other === place ? 0 : -1;
    this.active = place;
  }

  focus(place) {
    if (!this.order.length) return;
    const target = Math.min(Math.max(place, 0), this.order.length - 1);
    const top = this.root.getBoundingClientRect().top + Math.floor(target / this.columns) * (this.height + GAP);
    const tools = document.getElementById("tools");
    const roof = getComputedStyle(tools).position === "sticky" ? tools.offsetHeight + 6 : 6;
    if (top < roof) scrollBy(0, top - roof);
    else if (top + this.height > innerHeight) scrollBy(0, Math.min(top - roof, top + this.height - innerHeight + 6));
    this.add(target);
    this.items.get(target).firstChild.focus({ preventScroll: true });
    this.render();
  }

  onKey(event) {
    const page = this.columns * Math.max(1, Math.floor(innerHeight / (this.height + GAP)));
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    Object.assign(steps, { PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity });
    if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const target = this.active + steps[event.key];
    const isSideways = Math.abs(steps[event.key]) !== this.columns;
    if (isSideways || (target >= 0 && target < this.order.length)) this.focus(target);
  }
}
