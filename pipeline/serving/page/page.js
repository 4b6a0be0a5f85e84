// Sends an image to /segment and lays the classes over it. Needs nothing from elsewhere.
"use strict";

const at = (id) => document.getElementById(id);
const state = { ids: null, width: 0, height: 0, classes: [], alone: null, turn: 0 };

const say = (text, bad = false) => {
  at("said").textContent = text;
  at("said").className = bad ? "bad" : "";
};

async function greet() {
  const model = await (await fetch("model")).json();
  const miou = model.metrics.miou;
  at("title").textContent = `${model.model.name}, trained on ${model.data.name}`;
  at("about").textContent = `${model.classes.length} classes` + (miou == null ? "" : `, mIoU ${miou.toFixed(3)}`);
  document.title = at("title").textContent;
}

async function segment(file) {
  const turn = ++state.turn; // an answer that is overtaken by a later image is dropped
  say(`Looking at ${file.name} …`);
  const began = performance.now();
  try {
    const response = await fetch("segment?output=json", { method: "POST", body: file });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    const photo = await createImageBitmap(file, { imageOrientation: "none" }); // classes lie on the pixels as stored
    if (turn !== state.turn) return;
    await show(photo, toBlob(answer.png_base64), answer);
    say(`${file.name}: ${answer.width} × ${answer.height} pixels, ${Math.round(performance.now() - began)} ms`);
  } catch (error) {
    if (turn !== state.turn) return;
    at("result").hidden = true;
    say(`${file.name}: ${error.message}`, true);
  }
}

async function show(photo, png, answer) {
  const { width, height } = answer;
  for (const canvas of [at("photo"), at("mask")]) Object.assign(canvas, { width, height });
  at("photo").getContext("2d").drawImage(photo, 0, 0);
  const scratch = Object.assign(document.createElement("canvas"), { width, height })
    .getContext("2d", { willReadFrequently: true });
  scratch.drawImage(await createImageBitmap(png, { colorSpaceConversion: "none" }), 0, 0);
  const grey = scratch.getImageData(0, 0, width, height).data;
  state.ids = Uint8Array.from({ length: width * height }, (_, pixel) => grey[4 * pixel]);
  Object.assign(state, { width, height, classes: answer.classes, alone: null });
  if (at("save").href) URL.revokeObjectURL(at("save").href);
  at("save").href = URL.createObjectURL(png);
  list();
  paint();
  at("result").hidden = false;
}

function toBlob(base64) {
  return new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: "image/png" });
}

function paint() {
  const context = at("mask").getContext("2d");
  const picture = context.createImageData(state.width, state.height);
  const words = new Uint32Array(256);
  const view = new DataView(words.buffer);
  for (const { id, colour } of state.classes) {
    const seen = state.alone === null || state.alone === id;
    [...colour, seen ? 255 : 0].forEach((value, index) => view.setUint8(4 * id + index, value));
  }
  const target = new Uint32Array(picture.data.buffer);
  state.ids.forEach((id, pixel) => { target[pixel] = words[id]; });
  context.putImageData(picture, 0, 0);
  at("mask").style.opacity = at("alpha").value / 100;
}

function list() {
  at("classes").replaceChildren(...state.classes.map(({ id, name, colour, share }) => {
    const row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row" });
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
    swatch.style.background = `rgb(${colour.join(" ")})`;
    button.append(swatch, name);
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => {
      state.alone = state.alone === id ? null : id;
      for (const other of at("classes").querySelectorAll("button"))
        other.setAttribute("aria-pressed", String(other === button && state.alone !== null));
      paint();
    };
    head.append(button);
    row.append(head, Object.assign(document.createElement("td"), { textContent: `${(100 * share).toFixed(1)} %` }));
    return row;
  }));
}

at("file").onchange = () => { if (at("file").files[0]) segment(at("file").files[0]); at("file").value = ""; };
at("alpha").oninput = () => { at("mask").style.opacity = at("alpha").value / 100; };
at("stage").onpointermove = (event) => {
  const box = at("mask").getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * state.width);
  const row = Math.floor(((event.clientY - box.top) / box.height) * state.height);
  const found = state.classes.find(({ id }) => id === state.ids[row * state.width + column]);
  at("under").textContent = found ? found.name : "\u00a0";
};
at("stage").onpointerleave = () => { at("under").textContent = "\u00a0"; };
// The whole page takes a drop: a file that misses the frame must not replace the page.
addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) at("drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) segment(file); else say("That was no file.", true);
});
greet().catch((error) => say(error.message, true));
