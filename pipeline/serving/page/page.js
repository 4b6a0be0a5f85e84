// Sends an image to /segment and draws the classes over it. Uses no external resources.
"use strict";

const byId = (id) => document.getElementById(id);
const state = { ids: null, width: 0, height: 0, classes: [], selected: null, request: 0 };

const showMessage = (text, bad = false) => {
  byId("message").textContent = text;
  byId("message").className = bad ? "bad" : "";
};

async function showModel() {
  const model = await (await fetch("model")).json();
  const miou = model.metrics.miou;
  byId("title").textContent = `${model.model.name}, trained on ${model.data.name}`;
  byId("about").textContent = `${model.classes.length} classes` + (miou == null ? "" : `, mIoU ${miou.toFixed(3)}`);
  document.title = byId("title").textContent;
}

async function segment(file) {
  const request = ++state.request; // a response that arrives after a later request is dropped
  showMessage(`Segmenting ${file.name} …`);
  const began = performance.now();
  try {
    const response = await fetch("segment?output=page", { method: "POST", body: file });
    const result = await response.json();
    if (!response.ok) throw new Error(result.error);
    // The picture that the model sees, so that it and its classes lie alike: a browser may turn the file otherwise.
    const photo = await createImageBitmap(toBlob(result.picture_base64, "image/jpeg"), { imageOrientation: "none" });
    if (request !== state.request) return;
    await show(photo, toBlob(result.png_base64, "image/png"), result);
    showMessage(`${file.name}: ${result.width} × ${result.height} pixels, ${Math.round(performance.now() - began)} ms`);
  } catch (error) {
    if (request !== state.request) return;
    byId("result").hidden = true;
    showMessage(`${file.name}: ${error.message}`, true);
  }
}

async function show(photo, png, result) {
  const { width, height } = result;
  for (const canvas of [byId("photo"), byId("mask")]) Object.assign(canvas, { width, height });
  byId("photo").getContext("2d").drawImage(photo, 0, 0);
  const scratch = Object.assign(document.createElement("canvas"), { width, height })
    .getContext("2d", { willReadFrequently: true });
  scratch.drawImage(await createImageBitmap(png, { colorSpaceConversion: "none" }), 0, 0);
  const grey = scratch.getImageData(0, 0, width, height).data;
  state.ids = Uint8Array.from({ length: width * height }, (_, pixel) => grey[4 * pixel]);
  Object.assign(state, { width, height, classes: result.classes, selected: null });
  if (byId("save").href) URL.revokeObjectURL(byId("save").href);
  byId("save").href = URL.createObjectURL(png);
  listClasses();
  paint();
  byId("result").hidden = false;
}

function toBlob(base64, type) {
  return new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type });
}

function paint() {
  const context = byId("mask").getContext("2d");
  const picture = context.createImageData(state.width, state.height);
  const palette = new Uint32Array(256); // RGBA by class id
  const view = new DataView(palette.buffer);
  for (const { id, colour } of state.classes) {
    const visible = state.selected === null || state.selected === id;
    [...colour, visible ? 255 : 0].forEach((value, index) => view.setUint8(4 * id + index, value));
  }
  const target = new Uint32Array(picture.data.buffer);
  state.ids.forEach((id, pixel) => { target[pixel] = palette[id]; });
  context.putImageData(picture, 0, 0);
  byId("mask").style.opacity = byId("alpha").value / 100;
}

function listClasses() {
  byId("classes").replaceChildren(...state.classes.map(({ id, name, colour, share }) => {
    const row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row" });
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
    swatch.style.background = `rgb(${colour.join(" ")})`;
    button.append(swatch, name);
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => {
      state.selected = state.selected === id ? null : id;
      for (const other of byId("classes").querySelectorAll("button"))
        other.setAttribute("aria-pressed", String(other === button && state.selected !== null));
      paint();
    };
    head.append(button);
    row.append(head, Object.assign(document.createElement("td"), { textContent: `${(100 * share).toFixed(1)} %` }));
    return row;
  }));
}

byId("file").onchange = () => { if (byId("file").files[0]) segment(byId("file").files[0]); byId("file").value = ""; };
byId("alpha").oninput = () => { byId("mask").style.opacity = byId("alpha").value / 100; };
byId("stage").onpointermove = (event) => {
  const box = byId("mask").getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * state.width);
  const row = Math.floor(((event.clientY - box.top) / box.height) * state.height);
  const hovered = state.classes.find(({ id }) => id === state.ids[row * state.width + column]);
  byId("hovered").textContent = hovered ? hovered.name : "\u00a0";
};
byId("stage").onpointerleave = () => { byId("hovered").textContent = "\u00a0"; };
// The whole page accepts drops: a browser would open a file that is dropped beside the frame.
addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) byId("drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) segment(file); else showMessage("Drop an image file.", true);
});
showModel().catch((error) => showMessage(error.message, true));
