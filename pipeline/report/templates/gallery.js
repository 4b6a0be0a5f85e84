const { title, classes, images } = JSON.parse(document.getElementById("data").textContent);
const find = (selector) => document.querySelector(selector);
const form = find("form"), field = form.elements, grid = find(".grid"), space = find(".space"), dialog = find("dialog");
const GAP = 10, KEY = `segline ${location.pathname} ${title}`;
let shown = [], at = 0, columns = 1, side = 190, high = 190;
const cells = new Map(); // the cells in view, by their place among the shown images
const chosen = new Set();
try { for (const id of JSON.parse(localStorage.getItem(KEY) || "[]")) chosen.add(id); } catch { /* not allowed here */ }

// ---- which images, in which order
const text = (name) => (field[name] ? field[name].value : "");
const ticked = (name) => Boolean(field[name] && field[name].checked);
const iou = (image, of) => (of === "" ? image.miou : image.classes[of]?.[1]) ?? null;
const last = (value, worst) => (value === null || value === undefined ? worst : value);

function choose() {
  const of = text("of"), low = text("low"), high_ = text("high"), group = text("group");
  const part = text("text").toLowerCase();
  const keep = (image) =>
    (!part || image.id.toLowerCase().includes(part)) && (of === "" || of in image.classes) &&
    (!group || image.group === group) && (!ticked("suspect") || image.boxes) &&
    (!ticked("chosen") || chosen.has(image.id)) &&
    (low === "" || last(iou(image, of), -1) >= Number(low)) && (high_ === "" || last(iou(image, of), 2) <= Number(high_));
  const order = {
    low: (a, b) => last(iou(a, of), 2) - last(iou(b, of), 2),
    high: (a, b) => last(iou(b, of), -1) - last(iou(a, of), -1),
    suspicion: (a, b) => (b.suspicion || 0) - (a.suspicion || 0),
    share: (a, b) => (b.classes[of]?.[0] || 0) - (a.classes[of]?.[0] || 0),
    id: (a, b) => a.id.localeCompare(b.id, "en", { numeric: true }),
  }[text("sort")];
  const current = shown[at];
  shown = images.filter(keep);
  if (order) shown.sort(order);
  at = Math.max(0, shown.indexOf(current));
  for (const cell of cells.values()) cell.remove();
  cells.clear();
  find(".count").textContent = `${shown.length.toLocaleString("en")} of ${images.length.toLocaleString("en")} images`;
  lay();
}

// ---- the grid: only cells in view exist
function lay() {
  const wanted = Number(text("size")), width = grid.clientWidth;
  columns = Math.max(1, Math.floor((width + GAP) / (wanted + GAP)));
  side = (width - GAP * (columns - 1)) / columns;
  high = Math.round(side * 0.75) + 44;
  space.style.height = `${Math.ceil(shown.length / columns) * (high + GAP)}px`;
  for (const [place, cell] of cells) put(cell, place);
  draw();
}
function put(cell, place) {
  const [x, y] = [(place % columns) * (side + GAP), Math.floor(place / columns) * (high + GAP)];
  Object.assign(cell.style, { width: `${side}px`, height: `${high}px`, transform: `translate(${x}px, ${y}px)` });
}
function draw() {
  const top = grid.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(-top / (high + GAP)) - 1) * columns;
  const end = Math.min(shown.length, (Math.ceil((innerHeight - top) / (high + GAP)) + 1) * columns);
  for (const [place, cell] of cells) if (place < first || place >= end) { cell.remove(); cells.delete(place); }
  for (let place = first; place < end; place++) if (!cells.has(place)) cells.set(place, make(place));
}
function element(kind, name, parent) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  parent?.append(made);
  return made;
}
function make(place) {
  const image = shown[place], cell = element("div", "cell", grid), of = text("of");
  cell.dataset.place = place;
  cell.id = `cell-${place}`;
  cell.setAttribute("role", "option");
  put(cell, place);
  const frame = element("div", "frame", cell), photo = element("img", "", frame), layer = element("img", "layer", frame);
  photo.alt = image.id;
  layer.alt = "";
  photo.src = image.thumbnail;
  const words = element("div", "words", cell), facts = [];
  words.append(image.id);
  if (of !== "" && image.classes[of]) facts.push(`${classes[of]} ${(100 * image.classes[of][0]).toFixed(1)}%`);
  if (iou(image, of) !== null) facts.push(`IoU ${iou(image, of).toFixed(3)}`);
  if (image.suspicion) facts.push(`suspect ${Math.round(image.suspicion)}`);
  element("small", "", words).textContent = facts.join(" · ") || image.group;
  words.title = image.id;
  const tick = element("input", "", cell);
  tick.type = "checkbox";
  tick.tabIndex = -1;
  tick.setAttribute("aria-label", `choose ${image.id}`);
  return paint(cell, image);
}
function paint(cell, image) {
  const layer = cell.querySelector(".layer"), file = text("layer") === "input" ? "" : image.files[text("layer")];
  layer.hidden = !file;
  if (file && layer.getAttribute("src") !== file) layer.src = file;
  layer.style.opacity = text("opacity") / 100;
  cell.querySelector("input").checked = chosen.has(image.id);
  cell.classList.toggle("is-chosen", chosen.has(image.id));
  cell.classList.toggle("at", Number(cell.dataset.place) === at);
  cell.setAttribute("aria-selected", chosen.has(image.id));
  return cell;
}
function repaint() {
  for (const [place, cell] of cells) paint(cell, shown[place]);
  grid.setAttribute("aria-activedescendant", `cell-${at}`);
  const ids = images.filter((image) => chosen.has(image.id)).map((image) => image.id);
  find(".chosen-count").textContent = `${ids.length.toLocaleString("en")} chosen`;
  find("textarea").value = ids.join("\n");
  find("textarea").hidden = !ids.length;
  find(".choose-this").checked = Boolean(shown[at] && chosen.has(shown[at].id));
  try { localStorage.setItem(KEY, JSON.stringify(ids)); } catch { /* not allowed here */ }
  return ids;
}

// ---- moving, choosing, opening
function move(to) {
  if (!shown.length) return;
  at = Math.min(shown.length - 1, Math.max(0, to));
  const top = grid.getBoundingClientRect().top + scrollY + Math.floor(at / columns) * (high + GAP);
  const bar = form.getBoundingClientRect().height + 8, below = find(".chosen").getBoundingClientRect().height + 8;
  if (top - bar < scrollY) scrollTo(0, top - bar);
  else if (top + high + below > scrollY + innerHeight) scrollTo(0, top + high + below - innerHeight);
  draw();
  repaint();
}
function toggle(image) {
  if (!image) return;
  if (!chosen.delete(image.id)) chosen.add(image.id);
  repaint();
}
const stage = viewer(find(".viewer"), { turn: (by) => { move(at + by); open(); }, tall: () => innerHeight * 0.68 });
function open() {
  const image = shown[at];
  if (!image) return;
  if (!dialog.open) dialog.showModal();
  const [width, height] = image.size;
  stage.show({ name: image.id, width, height, layers: image.files, boxes: image.boxes });
  const parts = Object.entries(image.classes).map(([of, [share, value]]) =>
    `${classes[of]} ${(100 * share).toFixed(1)}%${value === undefined ? "" : `, IoU ${value.toFixed(3)}`}`);
  const miou = image.miou === undefined || image.miou === null ? "" : ` · mIoU ${image.miou.toFixed(3)}`;
  find(".facts").textContent =
    [`${width} x ${height} · ${image.group}${miou}`, parts.join(" · "), ...(image.reasons || [])].join("\n");
  find(".choose-this").checked = chosen.has(image.id);
  stage.focus();
}
function setLayer(number) {
  const option = field.layer.options[number];
  if (!option) return;
  field.layer.value = option.value;
  repaint();
}
const lists = {
  async copy(button) {
    const ids = repaint().join("\n");
    try { await navigator.clipboard.writeText(ids); } catch { find("textarea").select(); document.execCommand("copy"); }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy ids"; }, 1500);
  },
  save() {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([repaint().join("\n"), "\n"], { type: "text/plain" }));
    link.download = "relabel.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  },
  shown() { for (const image of shown) chosen.add(image.id); repaint(); },
  clear() { chosen.clear(); repaint(); },
};
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", ({ target }) => {
  if (target.name === "size") lay();
  else if (target.name !== "layer" && target.name !== "opacity") choose();
  repaint();
});
grid.addEventListener("click", ({ target }) => {
  const cell = target.closest(".cell");
  if (!cell) return;
  move(Number(cell.dataset.place));
  if (target.tagName === "INPUT") toggle(shown[at]);
  else open();
});
find(".chosen").addEventListener("click", ({ target }) => lists[target.dataset.list]?.(target));
find(".choose-this").addEventListener("change", () => toggle(shown[at]));
find(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => grid.focus({ preventScroll: true }));
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input[type=search], input[type=number], textarea, select, input[type=range]");
  if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
  if (event.key === "x") toggle(shown[at]);
  else if (dialog.open) return; // the viewer has its own keys
  else if (event.key in steps) move(at + steps[event.key]());
  else if (event.key === "Home") move(0);
  else if (event.key === "End") move(shown.length - 1);
  else if (event.key === "Enter" && !event.target.closest("button, summary")) open();
  else if ("1234".includes(event.key)) setLayer(Number(event.key) - 1);
  else if (event.key === "/") field.text.focus();
  else return;
  event.preventDefault();
});
const steps = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -columns, ArrowDown: () => columns };
addEventListener("scroll", draw, { passive: true });
addEventListener("resize", lay);
choose();
repaint();
