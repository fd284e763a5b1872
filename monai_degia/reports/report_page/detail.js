"use strict";

// One image, large, with its landmarks in a table.
class Detail {
  constructor(dialog, onClose) {
    this.dialog = dialog;
    this.order = [];
    this.place = 0;
    this.joint = 0;
    this.picture = document.getElementById("detail-picture");
    this.rows = document.getElementById("detail-rows");
    const buttons = { previous: () => this.go(-1), next: () => this.go(1), close: () => dialog.close() };
    for (const [id, action] of Object.entries(buttons)) document.getElementById(id).addEventListener("click", action);
    dialog.addEventListener("keydown", (event) => this.onKey(event));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => onClose(this.place));
    dialog.addEventListener("focusin", (event) => {
      const joint = event.target.dataset?.joint;
      if (joint !== undefined) this.point(Number(joint));
    });
    this.rows.addEventListener("pointerover", (event) => {
      const row = event.target.closest("tr");
      if (row) this.point(Number(row.dataset.joint));
    });
    const columns = ["confidence", "radius", "error"].filter((key) => known.includes(key));
    const head = element("tr");
    for (const text of ["Landmark", ...columns.map((key) => MEASURES[key])]) {
      const cell = element("th", "", text);
      cell.scope = "col";
      head.append(cell);
    }
    document.getElementById("detail-columns").append(head);
    this.columns = columns;
  }

  open(order, place) {
    this.order = order;
    this.show(place);
    this.dialog.showModal();
    this.focus(this.joint);
  }

  go(step) {
    const place = this.place + step;
    if (place < 0 || place >= this.order.length) return;
    const hadMark = this.picture.contains(document.activeElement);
    this.show(place);
    if (hadMark || document.activeElement === document.body) this.focus(this.joint);
  }

  show(place) {
    this.place = place;
    const index = this.order[place];
    const image = images[index];
    document.getElementById("detail-name").textContent = image.name;
    document.getElementById("detail-about").textContent =
      `${place + 1} of ${this.order.length}. ${describeImage(image).slice(image.name.length + 2)}`;
    document.getElementById("previous").disabled = place === 0;
    document.getElementById("next").disabled = place === this.order.length - 1;
    this.picture.replaceChildren(drawPicture(index, 1, true));
    this.marks = [...this.picture.querySelectorAll(".mark")];
    this.rows.replaceChildren(...this.marks.map((mark, joint) => this.row(image, joint)));
    this.marks.forEach((mark, joint) => {
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", describeJoint(image, joint));
    });
    this.point(this.worst(image));
  }

  row(image, joint) {
    const row = element("tr");
    row.dataset.joint = joint;
    const name = element("td", "", readable(settings.names[joint]));
    const swatch = element("span", "swatch");
    swatch.style.background = settings.colors[joint];
    name.prepend(swatch);
    row.append(name, ...this.columns.map((key) => element("td", "", figureOf(image, key, joint))));
    return row;
  }

  worst(image) {
    const doubt = (joint) => (image.confidence ? -image.confidence[joint] : (image.error?.[joint] ?? 0));
    return this.marks.reduce((worst, mark, joint) => (doubt(joint) > doubt(worst) ? joint : worst), 0);
  }

  point(joint) {
    this.joint = joint;
    this.marks.forEach((mark, other) => {
      mark.classList.toggle("here", other === joint);
      mark.setAttribute("tabindex", other === joint ? 0 : -1);
      this.rows.children[other].classList.toggle("here", other === joint);
    });
  }

  focus(joint) {
    this.marks[joint].focus({ preventScroll: true });
    this.rows.children[joint].scrollIntoView({ block: "nearest" });
  }

  onKey(event) {
    if (event.key === "PageUp" || event.key === "PageDown") {
      event.preventDefault();
      this.go(event.key === "PageUp" ? -1 : 1);
      return;
    }
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step || !this.picture.contains(event.target)) return;
    event.preventDefault();
    this.focus((this.joint + step + this.marks.length) % this.marks.length);
  }
}
