const rows = [...document.querySelectorAll("figure.row")];
if (rows.length) {
  let shown = 0;
  const turn = (by) => open((shown + by + rows.length) % rows.length);
  const stage = viewer(document.querySelector(".viewer"), { turn, tall: () => Math.min(640, Math.max(240, innerHeight * 0.7)) });
  function open(index) {
    shown = index;
    const images = [...rows[index].querySelectorAll("img")];
    const layers = Object.fromEntries(images.map((image) => [image.dataset.part, image.src]));
    const [width, height] = ["width", "height"].map((name) => Number(images[0].getAttribute(name)));
    stage.show({ name: rows[index].dataset.name, layers, width, height });
  }
  rows.forEach((row, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "compare";
    row.querySelector("figcaption").append(button);
    row.classList.add("opens");
    row.addEventListener("click", () => {
      open(index);
      document.querySelector(".viewer").scrollIntoView({ block: "start" });
      stage.focus();
    });
  });
  open(0);
}
const copy = document.querySelector(".copy");
copy.hidden = !navigator.clipboard;
copy.addEventListener("click", async () => {
  await navigator.clipboard.writeText(document.querySelector(".yaml").textContent);
  copy.textContent = "Copied";
});
