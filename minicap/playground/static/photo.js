// A photo from the reader's disk or one of the samples, and its captions.

import { element, find, percent } from "./dom.js";
import { ask } from "./python.js";
import { showSamples } from "./samples.js";

const LARGEST = 640; // pixels of the longer side that Python gets
const BEAM = 3;

let asked = 0; // the latest photo; captions of earlier ones are dropped
let wanted = null; // a photo chosen before Python was ready

export function start() {
  const drop = find("drop");
  find("file").addEventListener("change", (event) => {
    if (event.target.files.length) accept(event.target.files[0]);
    event.target.value = ""; // so that the same photo can be chosen again
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) accept(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) accept(event.clipboardData.files[0]);
  });
  showSamples(find("samples"), "photos/", accept);
}

export function ready() {
  if (wanted) describe(wanted);
}

function say(text, bad = false) {
  find("photo-status").textContent = text;
  find("photo-status").classList.toggle("bad", bad);
}

function accept(file) {
  location.hash = "photo";
  asked += 1;
  find("captions").replaceChildren();
  const image = find("image");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  image.alt = "Your photo";
  image.onload = () => {
    find("shown").hidden = false;
    if (document.body.dataset.ready) describe(image);
    else {
      wanted = image;
      say("Python is still starting …");
    }
  };
  image.onerror = () => {
    find("shown").hidden = true;
    say("This is not an image that the browser can read.", true);
  };
}

async function describe(image) {
  const question = asked;
  wanted = null;
  const started = performance.now();
  try {
    say("Looking at the photo …");
    await ask("look", { width: 0, height: 0, ...size(image) }, { pixels: pixels(image), needs: "models.zip" });
    if (question !== asked) return;
    say("Choosing words …");
    const { captions } = await ask("describe", { beam: BEAM });
    if (question !== asked) return;
    show(captions);
    image.alt = `Your photo: ${captions[0].caption}`;
    say(`Answered in ${((performance.now() - started) / 1000).toFixed(1)} s, on this machine.`);
  } catch (error) {
    if (question === asked) say(error.message, true);
  }
}

function size(image) {
  const scale = Math.min(1, LARGEST / Math.max(image.naturalWidth, image.naturalHeight));
  return {
    width: Math.max(Math.round(scale * image.naturalWidth), 1),
    height: Math.max(Math.round(scale * image.naturalHeight), 1),
  };
}

// The browser decodes the photo and turns it upright; transparent pixels are laid over white.
function pixels(image) {
  const { width, height } = size(image);
  const context = element("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  return new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
}

function show(captions) {
  const [best, ...others] = captions;
  find("captions").replaceChildren(element("section", { class: "card", "aria-label": "Caption" },
    element("h3", {}, "Caption"), element("p", { class: "words" }, best.caption),
    ...(others.length ? [element("h3", {}, "Alternatives"),
      element("ul", {}, ...others.map((each) => element("li", {}, each.caption)))] : []),
    element("p", { class: "muted small" }, `The best with a probability of ${percent(best.probability)}.`)));
}
