// A network in training: its losses, and what it says of every place in the plane.

import { chart } from "./chart.js";
import { element, find } from "./dom.js";
import { ask } from "./python.js";

const LEAST_PAUSE = 60; // milliseconds from one picture to the next
const MOST_POINTS = 300; // of the curve
const SETTINGS = ["points", "slope", "rule", "hidden", "learning-rate", "noise"];

let data = null; // the points, and how far the picture reaches
let running = false;
let losses = []; // [step, loss], thinned out as they grow many
let steps = 5; // at once; as many as take about LEAST_PAUSE
let every = 1;

const hidden = () => 2 ** Number(find("hidden").value);
const learningRate = () => 10 ** Number(find("learning-rate").value);

export function start() {
  for (const name of SETTINGS) {
    find(name).addEventListener("input", label);
    find(name).addEventListener("change", () => { if (document.body.dataset.ready) begin(); });
  }
  find("train").addEventListener("click", () => { if (running) pause(); else train(); });
  find("again").addEventListener("click", begin);
  label();
}

export function ready() {
  for (const name of ["train", "again"]) find(name).disabled = false;
  begin();
}

export function pause() {
  running = false;
  find("train").textContent = "Train";
}

function label() {
  document.querySelector("output[for=hidden]").textContent = hidden();
  document.querySelector("output[for=learning-rate]").textContent = String(Number(learningRate().toPrecision(2)));
  document.querySelector("output[for=noise]").textContent = find("noise").value;
}

async function begin() {
  const before = running;
  pause();
  losses = [];
  every = 1;
  try {
    data = await ask("begin", {
      points: find("points").value, slope: find("slope").value, rule: find("rule").value,
      hidden: hidden(), learning_rate: learningRate(), noise: Number(find("noise").value),
    });
    show(data);
    if (before) train();
  } catch (error) {
    say(error.message, true);
  }
}

async function train() {
  running = true;
  find("train").textContent = "Pause";
  while (running) {
    const began = performance.now();
    try {
      const found = await ask("train", { steps });
      if (found.diverged) {
        pause();
        say(`The loss is no longer a number after ${found.step} steps: the learning rate is too large.`, true);
        return;
      }
      if (running) show(found);
    } catch (error) {
      pause();
      say(error.message, true);
      return;
    }
    const took = performance.now() - began;
    if (took < LEAST_PAUSE && steps < 50) steps += 1;
    if (took > 2 * LEAST_PAUSE && steps > 1) steps -= 1;
    await new Promise((resolve) => { setTimeout(resolve, Math.max(LEAST_PAUSE - took, 0)); });
  }
}

function say(text, bad = false) {
  find("training-status").textContent = text;
  find("training-status").classList.toggle("bad", bad);
}

function show(found) {
  found.losses.forEach((loss, i) => {
    const step = found.step - found.losses.length + i + 1;
    if (step % every === 0) losses.push([step, loss]);
  });
  if (losses.length > MOST_POINTS) {
    every *= 2;
    losses = losses.filter(([step]) => step % every === 0);
  }
  say(`${found.step} steps, ${(100 * found.accuracy).toFixed(0)} % of the points on the right side`);
  find("losses").replaceChildren(losses.length
    ? chart("Loss", [{ name: "loss of a batch of 50", kind: "train", points: losses }], "step")
    : element("p", { class: "muted" }, "Nothing is trained yet."));
  draw(found.picture);
}

function draw(picture) {
  const canvas = find("plane");
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.body);
  const [zero, one] = ["--train", "--validation"].map((name) => style.getPropertyValue(name).trim());
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(shades(picture, rgb(zero), rgb(one)), 0, 0, canvas.width, canvas.height);
  const place = (value) => (value / data.reach + 1) / 2;
  data.x.forEach(([x, y], i) => {
    context.beginPath();
    context.arc(place(x) * canvas.width, (1 - place(y)) * canvas.height, 5, 0, 2 * Math.PI);
    context.fillStyle = data.y[i] ? one : zero;
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = style.getPropertyValue("--card").trim();
    context.stroke();
  });
  canvas.setAttribute("aria-label",
    `${data.y.length} points of two classes, and what the network says: ${find("training-status").textContent}`);
}

// One pixel for each place: the colour of the likelier class, the fainter the less sure it is.
function shades(picture, zero, one) {
  const side = picture.length;
  const small = element("canvas", { width: side, height: side });
  const context = small.getContext("2d");
  const pixels = context.createImageData(side, side);
  picture.flat().forEach((p, i) => {
    pixels.data.set(p > 0.5 ? one : zero, 4 * i);
    pixels.data[4 * i + 3] = Math.round(150 * Math.abs(2 * p - 1));
  });
  context.putImageData(pixels, 0, 0);
  return small;
}

function rgb(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}
