"use strict";
// viewer(root, {turn, tall}) drives the markup of viewer.html.j2. turn(-1 or 1) shows another image; tall() is the
// greatest height of the stage, pixels. show() takes {name, width, height, layers: {input, truth, ...: address},
// boxes: [[top, left, height, width], ...]}, all in pixels of the image.
function viewer(root, { turn, tall }) {
  const get = (selector) => root.querySelector(selector);
  const [stage, plane, photo, boxes] = [".stage", ".plane", ".photo", ".boxes"].map(get);
  const sides = [...root.querySelectorAll("select")], layers = [...root.querySelectorAll(".layer")];
  const corners = [...root.querySelectorAll(".corner")], split = get("[data-split]"), opacity = get("[data-opacity]");
  let item = null, scale = 1, x = 0, y = 0, wide = 0, high = 0;

  function measure() {
    const width = root.clientWidth;
    high = Math.min(width * item.height / item.width, tall());
    wide = high * item.width / item.height;
    stage.style.width = `${wide}px`;
    stage.style.height = `${high}px`;
    plane.style.width = `${wide}px`;
    plane.style.height = `${high}px`;
  }
  function draw() {
    x = Math.min(0, Math.max(x, wide - wide * scale));
    y = Math.min(0, Math.max(y, high - high * scale));
    plane.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    stage.classList.toggle("zoomed", scale > 1);
    const at = Math.min(1, Math.max(0, (wide * split.value / 100 - x) / (wide * scale)));
    layers[0].style.clipPath = `inset(0 ${100 - 100 * at}% 0 0)`;
    layers[1].style.clipPath = `inset(0 0 0 ${100 * at}%)`;
    for (const layer of layers) layer.style.opacity = opacity.value / 100;
    get(".divider").style.left = `${split.value}%`;
    get("[data-level]").textContent = `${Math.round(100 * scale)}%`;
  }
  function choose() {
    sides.forEach((side, index) => {
      const address = side.value === "input" ? "" : item.layers[side.value];
      layers[index].hidden = !address;
      if (address) layers[index].src = address;
      corners[index].textContent = side.value;
    });
    draw();
  }
  function fill() {
    const names = Object.keys(item.layers);
    sides.forEach((side, index) => {
      const before = side.value, wanted = [["truth", "input"], ["prediction", "input"]][index];
      side.replaceChildren(...names.map((name) => new Option(name)));
      side.value = names.includes(before) ? before : wanted.find((name) => names.includes(name));
    });
    for (const button of root.querySelectorAll("[data-do=previous], [data-do=next]")) button.disabled = !turn;
  }
  function zoom(factor, cx = wide / 2, cy = high / 2) {
    const next = Math.min(16, Math.max(1, scale * factor));
    x = cx - (cx - x) * next / scale;
    y = cy - (cy - y) * next / scale;
    scale = next;
    draw();
  }
  const actions = {
    previous: () => turn(-1), next: () => turn(1), in: () => zoom(1.5), out: () => zoom(1 / 1.5),
    fit: () => { scale = 1; x = y = 0; draw(); },
    swap: () => { [sides[0].value, sides[1].value] = [sides[1].value, sides[0].value]; choose(); },
  };
  const keys = { ArrowLeft: "previous", ArrowRight: "next", "+": "in", "=": "in", "-": "out", 0: "fit", s: "swap" };
  root.addEventListener("click", (event) => actions[event.target.dataset.do]?.());
  root.addEventListener("input", (event) => (event.target.tagName === "SELECT" ? choose() : draw()));
  root.addEventListener("keydown", (event) => {
    const taken = event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select");
    const name = taken ? null : keys[event.key];
    if (!name || (!turn && (name === "next" || name === "previous"))) return;
    event.preventDefault();
    event.stopPropagation();
    actions[name]();
  });
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && scale === 1) return; // the page scrolls
    event.preventDefault();
    const edge = stage.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - edge.left, event.clientY - edge.top);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    const edge = stage.getBoundingClientRect();
    zoom(2, event.clientX - edge.left, event.clientY - edge.top);
  });
  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.focus({ preventScroll: true });
    stage.setPointerCapture(event.pointerId);
    const edge = stage.getBoundingClientRect();
    const slides = scale === 1 || Math.abs(event.clientX - edge.left - wide * split.value / 100) < 20;
    const move = (now) => {
      if (slides) split.value = 100 * (now.clientX - edge.left) / edge.width;
      else { x += now.movementX; y += now.movementY; }
      draw();
    };
    if (slides) move(event);
    stage.addEventListener("pointermove", move);
    const stop = () => stage.removeEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, stop, { once: true });
  });
  new ResizeObserver(() => { if (item && root.clientWidth) { measure(); draw(); } }).observe(root);
  return {
    show(next) {
      item = next;
      root.hidden = false;
      [scale, x, y] = [1, 0, 0];
      measure();
      photo.src = item.layers.input;
      boxes.setAttribute("viewBox", `0 0 ${item.width} ${item.height}`);
      boxes.replaceChildren(...(item.boxes || []).map(([top, left, height, width]) => {
        const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        for (const [name, value] of Object.entries({ x: left, y: top, width, height })) box.setAttribute(name, value);
        return box;
      }));
      get(".viewer-name").textContent = item.name;
      fill();
      choose();
    },
    focus() { stage.focus({ preventScroll: true }); },
  };
}
