// Sends images to /segment and draws the answers over them. Loads nothing from other servers.
"use strict";

const PARALLEL = 4; // images that are sent at the same time
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]; // viridis: unsure to sure

const byId = (id) => document.getElementById(id);
const make = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};
const cards = new Set(), waiting = [];
let sending = 0, only = null; // the class that is shown alone, by its id

const view = () => document.querySelector("[name=view]:checked").value;
const toBlob = (base64, type) => new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type });
const stem = (card) => card.file.name.replace(/\.[^.]*$/, "");

function add(files) {
  for (const file of files) {
    const root = byId("card").content.firstElementChild.cloneNode(true);
    const [photo, mask] = root.querySelectorAll("canvas");
    const card = { file, root, photo, mask, get: (selector) => root.querySelector(selector) };
    card.get("h2").textContent = file.name;
    root.onclick = (event) => actions[event.target.dataset.do]?.(card);
    cards.add(card);
    waiting.push(card);
    byId("results").append(root);
  }
  send();
}

function send() {
  byId("tools").hidden = cards.size === 0;
  const left = waiting.length + sending;
  byId("message").textContent = left ? `${left} to go …` : "";
  while (sending < PARALLEL && waiting.length) {
    sending += 1;
    segment(waiting.shift()).finally(() => { sending -= 1; send(); });
  }
}

async function segment(card) {
  const note = card.get(".note");
  note.textContent = "segmenting …";
  writeCurl(card.file.name);
  try {
    const began = performance.now();
    const response = await post(card.file);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    await show(card, answer);
    note.textContent = `${answer.width} × ${answer.height} pixels, ${Math.round(performance.now() - began)} ms`;
  } catch (error) {
    note.textContent = error.message;
    note.classList.add("bad");
  }
}

async function post(file) {
  for (;;) {
    const response = await fetch("segment?output=page", { method: "POST", body: file });
    if (response.status !== 503) return response;
    await new Promise((resolve) => setTimeout(resolve, 1000 * (response.headers.get("Retry-After") ?? 1)));
  }
}

async function show(card, answer) {
  const { width, height } = Object.assign(card, { answer, width: answer.width, height: answer.height });
  for (const canvas of [card.photo, card.mask]) Object.assign(canvas, { width, height });
  // The picture that the model sees, so that it and its classes lie alike: a browser may turn the file otherwise.
  const picture = toBlob(answer.picture_base64, "image/jpeg");
  card.photo.getContext("2d").drawImage(await createImageBitmap(picture, { imageOrientation: "none" }), 0, 0);
  card.photo.setAttribute("aria-label", card.file.name);
  card.ids = await grey(answer.grey_base64, width, height);
  card.levels = answer.confidence_base64 && await grey(answer.confidence_base64, width, height);
  card.get("[data-do=ids]").href = URL.createObjectURL(toBlob(answer.png_base64, "image/png"));
  card.get("[data-do=ids]").download = `${stem(card)}-ids.png`;
  const stage = card.get(".stage");
  stage.style.aspectRatio = `${width} / ${height}`;
  stage.style.width = `min(100%, ${(75 * width) / height}vh)`;
  stage.onpointermove = (event) => { card.get(".corner").textContent = at(card, event); };
  stage.onpointerleave = () => { card.get(".corner").textContent = ""; };
  card.get("tbody").replaceChildren(...rows(card));
  paint(card);
  card.get(".parts").hidden = false;
}

async function grey(base64, width, height) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(await createImageBitmap(toBlob(base64, "image/png"), { colorSpaceConversion: "none" }), 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  return Uint8Array.from({ length: width * height }, (_, index) => pixels[4 * index]);
}

function rows(card) {
  const sums = new Float64Array(256);
  card.ids.forEach((id, index) => { sums[id] += card.levels ? card.levels[index] : 0; });
  return card.answer.classes.map(({ id, name, colour, pixels, share }) => {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = `rgb(${colour.join(" ")})`;
    const button = make("button", { type: "button", value: id, ariaPressed: String(only === id) }, swatch, name);
    button.onclick = () => { only = only === id ? null : id; repaint(); };
    const part = make("i", {});
    part.style.width = `${100 * share}%`;
    const bar = make("span", { className: "share", ariaHidden: "true" }, part);
    const cells = [make("td", {}, bar, `${(100 * share).toFixed(1)} %`)];
    if (card.levels) cells.push(make("td", {}, `${(sums[id] / pixels / 2.55).toFixed(0)} %`));
    return make("tr", {}, make("th", { scope: "row" }, button), ...cells);
  });
}

function paint(card) {
  if (!card.ids) return;
  const colours = new Uint32Array(256), seen = new Uint8Array(256); // RGBA by class id or by level
  const bytes = new Uint8Array(colours.buffer);
  const set = (index, colour) => bytes.set([...colour, 255], 4 * index);
  for (const { id } of card.answer.classes) seen[id] = only === null || only === id;
  const confident = view() === "confidence" && card.levels;
  if (confident) for (let level = 0; level < 256; level += 1) set(level, ramp(level / 255));
  else for (const { id, colour } of card.answer.classes) set(id, colour);
  const context = card.mask.getContext("2d"), picture = context.createImageData(card.width, card.height);
  const target = new Uint32Array(picture.data.buffer), values = confident || card.ids;
  card.ids.forEach((id, index) => { target[index] = seen[id] ? colours[values[index]] : 0; });
  context.putImageData(picture, 0, 0);
  card.mask.style.opacity = byId("opacity").value / 100;
}

function repaint() {
  for (const button of document.querySelectorAll("tbody button")) button.ariaPressed = String(only === Number(button.value));
  byId("scale").hidden = view() !== "confidence";
  for (const card of cards) paint(card);
}

function ramp(value) {
  const place = value * (RAMP.length - 1), low = Math.min(Math.floor(place), RAMP.length - 2);
  return RAMP[low].map((start, channel) => Math.round(start + (place - low) * (RAMP[low + 1][channel] - start)));
}

function at(card, event) {
  const box = card.mask.getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * card.width);
  const index = Math.floor(((event.clientY - box.top) / box.height) * card.height) * card.width + column;
  const under = card.answer.classes.find(({ id }) => id === card.ids[index]);
  return under ? under.name + (card.levels ? `, ${Math.round(card.levels[index] / 2.55)} %` : "") : "";
}

const actions = {
  overlay(card) {
    const canvas = make("canvas", { width: card.width, height: card.height }), context = canvas.getContext("2d");
    context.drawImage(card.photo, 0, 0);
    context.globalAlpha = byId("opacity").value / 100;
    context.drawImage(card.mask, 0, 0);
    canvas.toBlob((blob) => {
      const link = make("a", { href: URL.createObjectURL(blob), download: `${stem(card)}-${view()}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  },
  remove(card) {
    URL.revokeObjectURL(card.get("[data-do=ids]").href);
    card.root.remove();
    cards.delete(card);
    if (waiting.includes(card)) waiting.splice(waiting.indexOf(card), 1);
    send();
  },
};

let named = "photo.jpg";
function writeCurl(name = named) {
  named = name;
  const output = byId("output").value, file = /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
  const result = output === "json" ? "classes.json" : `${output}.png`;
  byId("curl").textContent = `curl --data-binary @${file} -o ${result} '${new URL("segment", location)}?output=${output}'`;
}

async function copyCurl() {
  getSelection().selectAllChildren(byId("curl")); // what remains where a page may not write to the clipboard
  await navigator.clipboard?.writeText(byId("curl").textContent);
  byId("copy").textContent = navigator.clipboard ? "Copied" : "Selected: press Ctrl-C";
  setTimeout(() => { byId("copy").textContent = "Copy"; }, 2000);
}

byId("file").onchange = () => { add([...byId("file").files]); byId("file").value = ""; };
byId("opacity").oninput = () => { for (const card of cards) card.mask.style.opacity = byId("opacity").value / 100; };
byId("clear").onclick = () => { for (const card of [...cards]) actions.remove(card); };
byId("output").onchange = () => writeCurl();
byId("copy").onclick = copyCurl;
for (const radio of document.querySelectorAll("[name=view]")) radio.onchange = repaint;
for (const button of document.querySelectorAll("#samples button")) {
  button.onclick = async () => {
    const { src, alt } = button.firstElementChild;
    const content = await (await fetch(src)).blob();
    add([new File([content], `${alt}.${content.type.split("/")[1]}`)]);
  };
}
addEventListener("paste", (event) => add([...event.clipboardData.files]));
// The whole page accepts drops: a browser would open a file that is dropped beside the frame.
addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) byId("drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("over");
  add([...event.dataTransfer.files]);
});
writeCurl();
