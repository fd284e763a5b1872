"use strict";

const settings = JSON.parse(document.getElementById("settings").textContent);
const blocks = document.getElementById("data").children;
const images = [];
for (let block = 0; block < blocks.length; block += 2) images.push(JSON.parse(blocks[block].textContent));

const SVG = "http://www.w3.org/2000/svg";
const MEASURES = { confidence: "Confidence", radius: "Radius", shift: "Domain shift", error: "Error" };
const known = settings.sorts.map((sort) => sort.key);

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function shape(tag, attributes, parent) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

function format(key, value) {
  if (value === null || value === undefined) return "unknown";
  if (key === "shift") return value.toFixed(value < 10 ? 1 : 0);
  const rough = key === "confidence" || (key === "radius" && value >= 0.1);
  return `${(100 * value).toFixed(rough ? 0 : 1)} %`;
}

// A confidence that is withheld, and the radius with it, is no unknown one: it is what to look at first.
const isWithheld = (image, key) => image.withheld && (key === "confidence" || key === "radius");

function figureOf(image, key, joint) {
  if (isWithheld(image, key)) return "withheld";
  return format(key, joint === undefined ? image.order[key] : image[key]?.[joint]);
}

const readable = (name) => name.replaceAll("_", " ");

function isOutside(image, joint) {
  const [[x, y], [width, height]] = [image.points[joint], image.size];
  return !(x >= -0.5 && x <= width - 0.5 && y >= -0.5 && y <= height - 0.5);
}

function describeJoint(image, joint) {
  const parts = [readable(settings.names[joint])];
  for (const key of ["confidence", "radius", "error"]) {
    if (image[key] || (key === "confidence" && image.withheld)) {
      parts.push(`${MEASURES[key].toLowerCase()} ${figureOf(image, key, joint)}`);
    }
  }
  if (isOutside(image, joint)) parts.push("outside the image");
  return parts.join(", ");
}

function describeImage(image) {
  const figures = known.map((key) => `${MEASURES[key].toLowerCase()} ${figureOf(image, key)}`);
  return [image.name, image.domain, ...figures].join(", ");
}

const line = ([x, y], [u, v]) => `M${x} ${y}L${u} ${v}`;

function drawBones(image, drawing) {
  const strokes = new Map();
  for (const [start, end] of settings.bones) {
    const color = settings.colors[end];
    strokes.set(color, (strokes.get(color) ?? "") + line(image.points[start], image.points[end]));
  }
  if (strokes.size) shape("path", { class: "bone rim", d: [...strokes.values()].join("") }, drawing);
  for (const [stroke, d] of strokes) shape("path", { class: "bone", d, stroke }, drawing);
}

function drawLabels(image, drawing, radius) {
  // A landmark without a label is null.
  const d = image.labels.map((label, joint) => (label ? line(label, image.points[joint]) : "")).join("");
  shape("path", { class: "gap", d }, drawing);
  for (const [cx, cy] of image.labels.filter(Boolean)) {
    shape("circle", { class: "label-rim", cx, cy, r: radius }, drawing);
    shape("circle", { class: "label", cx, cy, r: radius }, drawing);
  }
}

// Where nine of ten true places should lie.
function drawRadii(image, drawing) {
  const [xs, ys] = [0, 1].map((axis) => image.points.map((point) => point[axis]));
  const size = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
  image.points.forEach(([cx, cy], joint) => {
    const [r, stroke] = [image.radius[joint] * size, settings.colors[joint]];
    shape("circle", { class: "reach", cx, cy, r, stroke }, drawing);
  });
}

// A picture with its landmarks. Coordinates are pixels of the file, turned upright, whatever the size of the picture.
function drawPicture(index, radius, reaches = false) {
  const image = images[index];
  const picture = element("span", "picture");
  const source = blocks[2 * index + 1].textContent;
  if (source) {
    const img = element("img");
    img.alt = "";
    img.decoding = "async";
    img.src = `data:image/webp;base64,${source}`;
    picture.append(img);
  }
  const [width, height] = image.size;
  const drawing = shape("svg", { viewBox: `-0.5 -0.5 ${width} ${height}` }, picture);
  const unit = (radius * Math.max(width, height)) / 100;
  if (reaches && image.radius) drawRadii(image, drawing);
  drawBones(image, drawing);
  if (image.labels) drawLabels(image, drawing, 1.5 * unit);
  image.points.forEach(([cx, cy], joint) => {
    const doubtful = image.withheld || image.confidence && !(image.confidence[joint] >= settings.doubtfulBelow);
    const look = { stroke: "#000", class: doubtful ? "mark doubtful" : "mark", cx, cy, r: unit, fill: settings.colors[joint] };
    if (doubtful) look.stroke = settings.colors[joint];
    shape("circle", { ...look, "data-joint": joint }, drawing);
  });
  return picture;
}

function drawCard(index, sortKey) {
  const image = images[index];
  const card = element("button", "card");
  card.type = "button";
  card.setAttribute("aria-label", describeImage(image));
  const facts = element("span", "facts");
  const name = element("span", "name", image.name.split("/").pop());
  name.title = image.name;
  facts.append(name);
  if (settings.domains.length > 1) facts.append(fact("Domain", image.domain));
  for (const key of known) facts.append(fact(MEASURES[key], figureOf(image, key), key === sortKey));
  card.append(drawPicture(index, 1.5), facts);
  return card;
}

function fact(label, value, sorted = false) {
  const row = element("span", sorted ? "sorted" : "", label);
  row.append(element("span", "", value));
  return row;
}
