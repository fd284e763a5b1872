"use strict";

const byId = (id) => document.getElementById(id);
const state = { key: "", descending: false, domain: "", search: "" };

const detail = new Detail(byId("detail"), (place) => {
  hideTip();
  grid.focus(place);
});
const grid = new Grid(
  byId("grid"),
  (index) => drawCard(index, state.key),
  (place) => detail.open(grid.order, place),
);

const rank = (image) => (isWithheld(image, state.key) ? (state.key === "radius" ? 1 : -1) * Infinity : image.order[state.key]);

// What is unknown comes last, whichever way the rest is sorted; equals stay as the run found them.
function compare(one, other) {
  const [a, b] = [rank(images[one]), rank(images[other])];
  if (a === null || b === null) return (a === null) - (b === null) || one - other;
  return (a === b ? 0 : state.descending ? b - a : a - b) || one - other;
}

function update() {
  const text = state.search.toLowerCase();
  const order = [];
  images.forEach((image, index) => {
    const fits = !state.domain || image.domain === state.domain.slice(1);
    if (fits && (!text || image.name.toLowerCase().includes(text))) order.push(index);
  });
  if (state.key) order.sort(compare);
  else if (state.descending) order.reverse();
  byId("none").hidden = order.length > 0 || images.length === 0;
  grid.show(order);
  announce(order.length);
}

function announce(count) {
  const [all, some] = [images.length.toLocaleString("en"), count.toLocaleString("en")];
  const label = state.key ? MEASURES[state.key].toLowerCase() : "file order";
  const way = state.key ? `, ${state.descending ? "highest" : "lowest"} ${label} first` : `, ${label}`;
  byId("status").textContent = `${count === images.length ? all : `${some} of ${all}`} images${way}`;
  for (const button of byId("sorts").children) {
    const here = button.dataset.key === state.key;
    button.setAttribute("aria-pressed", here);
    const arrow = here ? (state.descending ? " \u2193" : " \u2191") : "";
    button.textContent = (MEASURES[button.dataset.key] ?? "File order") + arrow;
    button.title = here ? "Again: the other way round" : "";
  }
}

function addSort(key, descending) {
  const button = element("button");
  button.type = "button";
  button.dataset.key = key;
  button.addEventListener("click", () => {
    state.descending = state.key === key ? !state.descending : descending;
    state.key = key;
    scrollToGrid();
    update();
  });
  byId("sorts").append(button);
}

function scrollToGrid() {
  const top = byId("tools").parentElement.getBoundingClientRect().top;
  if (top < 0) scrollBy(0, top);
}

for (const sort of settings.sorts) addSort(sort.key, sort.descending);
addSort("", false);
if (settings.sorts.length) [state.key, state.descending] = [settings.sorts[0].key, settings.sorts[0].descending];

// "=" keeps a domain without a name apart from the choice of all.
byId("domain").append(new Option("all", ""), ...settings.domains.map((domain) => new Option(domain, `=${domain}`)));
byId("domain").closest("label").hidden = settings.domains.length < 2;
for (const [id, key] of [["domain", "domain"], ["search", "search"]]) {
  byId(id).addEventListener("input", (event) => {
    state[key] = event.target.value;
    scrollToGrid();
    update();
  });
}
byId("marks").addEventListener("change", (event) => byId("grid").classList.toggle("no-marks", !event.target.checked));

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
const nameTheme = () => (byId("theme").textContent = isDark() ? "Light page" : "Dark page");
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
dark.addEventListener("change", nameTheme);
nameTheme();

const REACH = 14;
let pointed = null;

function hideTip() {
  byId("tip").hidden = true;
  if (pointed && !byId("detail").open) pointed.classList.remove("here");
  pointed = null;
}

function showTip(mark, index) {
  if (pointed !== mark) hideTip();
  pointed = mark;
  mark.classList.add("here");
  const tip = byId("tip");
  tip.textContent = describeJoint(images[index], Number(mark.dataset.joint));
  tip.hidden = false;
  // What is in the top layer lies above all else, so the tip must be in it too.
  (byId("detail").open ? byId("detail") : document.body).append(tip);
  const [box, own] = [mark.getBoundingClientRect(), tip.getBoundingClientRect()];
  const left = (box.left + box.right) / 2 - own.width / 2;
  tip.style.left = `${Math.max(4, Math.min(left, innerWidth - own.width - 4))}px`;
  tip.style.top = `${box.top - own.height - 8 < 4 ? box.bottom + 8 : box.top - own.height - 8}px`;
}

function indexAt(node) {
  if (byId("detail").contains(node)) return detail.order[detail.place];
  return Number(node.closest(".item").dataset.image);
}

// The nearest landmark, since dots are small and lie close together. Some browsers name the button, not what is in it.
document.addEventListener("pointermove", (event) => {
  const host = event.target.closest?.(".item, #detail-picture");
  if (!host || !byId("marks").checked) return hideTip();
  const [x, y] = [event.clientX, event.clientY];
  let [best, reach] = [null, REACH];
  for (const mark of host.querySelectorAll(".mark")) {
    const box = mark.getBoundingClientRect();
    const distance = Math.hypot((box.left + box.right) / 2 - x, (box.top + box.bottom) / 2 - y);
    if (distance < reach) [best, reach] = [mark, distance];
  }
  if (!best) return hideTip();
  if (byId("detail").open) detail.point(Number(best.dataset.joint));
  showTip(best, indexAt(best));
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches?.(".mark")) showTip(event.target, indexAt(event.target));
  else hideTip();
});
// The tip of a landmark reached by the keyboard stays: the page may still be scrolling from the key before.
function onScroll() {
  if (pointed && pointed === document.activeElement) showTip(pointed, indexAt(pointed));
  else hideTip();
}
addEventListener("scroll", onScroll, { passive: true, capture: true });

update();
