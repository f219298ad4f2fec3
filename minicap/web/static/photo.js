// The photo page: a photo comes in, the answers of the chosen runs appear.

import { captionCard } from "./caption.js";
import { element, find } from "./dom.js";
import { classCard, labelCard } from "./labels.js";
import * as light from "./light.js";
import { showSamples } from "./samples.js";
import { ask } from "./server.js";

const CARDS = { captioner: captionCard, classifier: classCard, tagger: labelCard };

let limits = null;
let photo = null;
let asked = 0; // the latest question; answers to earlier ones are dropped

export function listRuns(found) {
  limits = found.limits;
  find("beam").max = limits.beam;
  const before = new Set(chosen());
  const first = !find("runs").childElementCount;
  find("runs").replaceChildren(...found.runs.filter((run) => run.describes || run.problem).map((run) => {
    const box = element("input", {
      type: "checkbox", value: run.name, disabled: Boolean(run.problem),
      checked: first ? found.defaults.includes(run.name) : before.has(run.name),
      onchange: describe,
    });
    return element("label", { class: "choice" }, box,
      element("span", {}, run.name, " ", element("small", {}, run.problem || `${run.kind}, ${run.model}`)));
  }));
}

function chosen() {
  return [...find("runs").querySelectorAll("input:checked")].map((box) => box.value);
}

function say(message, bad = false) {
  find("status").textContent = message;
  find("status").classList.toggle("bad", bad);
}

function accept(file) {
  if (!file) return;
  asked += 1;
  light.clear();
  find("looking").textContent = "";
  find("answers").replaceChildren();
  find("shown").hidden = true;
  photo = null;
  if (limits && file.size > limits.bytes) {
    say(`This file has ${(file.size / 2 ** 20).toFixed(0)} MB; at most ${limits.bytes / 2 ** 20} MB are read.`, true);
    return;
  }
  photo = file;
  const image = find("image");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  image.onload = () => { find("shown").hidden = false; };
  image.onerror = () => { find("shown").hidden = true; };
  describe();
}

async function describe() {
  if (!photo) return;
  asked += 1;
  const question = asked;
  const runs = chosen();
  if (!runs.length) {
    say("Choose a run that answers.", true);
    return;
  }
  say("Looking at the photo …");
  const started = performance.now();
  const parameters = runs.map((run) => ["run", run]);
  parameters.push(["beam", find("beam").value || "1"], ["top", find("top").value || "1"]);
  try {
    const found = await ask("/api/describe", parameters, photo);
    if (question !== asked) return;
    light.clear();
    find("looking").textContent = "";
    find("answers").replaceChildren(...found.answers.map((answer) => CARDS[answer.kind](answer, photo)));
    const best = found.answers.find((answer) => answer.captions);
    find("image").alt = best ? `Your photo: ${best.captions[0].caption}` : "Your photo";
    say(`Answered in ${((performance.now() - started) / 1000).toFixed(2)} s.`);
  } catch (error) {
    if (question === asked) say(error.message, true);
  }
}

function photoIn(list) {
  return [...list].find((file) => file.type.startsWith("image/")) || list[0];
}

export function start() {
  const drop = find("drop");
  for (const id of ["file", "capture"]) {
    find(id).addEventListener("change", (event) => {
      accept(event.target.files[0]);
      event.target.value = ""; // so that the same photo can be chosen again
    });
  }
  for (const id of ["beam", "top"]) find(id).addEventListener("change", describe);
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
    if (event.dataTransfer.files.length) accept(photoIn(event.dataTransfer.files));
    else say("Drop a file, not a link or a text.", true);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) accept(photoIn(event.clipboardData.files));
  });
  showSamples(find("samples"), "/static/", accept);
  find("take").addEventListener("click", take);
  find("shoot").addEventListener("click", shoot);
  find("cancel").addEventListener("click", () => find("camera").close());
  find("camera").addEventListener("close", release);
}

// On a phone the system's camera takes the photo; elsewhere the browser shows what the camera sees.
async function take() {
  if (matchMedia("(pointer: coarse)").matches || !navigator.mediaDevices) {
    find("capture").click();
    return;
  }
  try {
    find("finder").srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    find("camera").showModal();
  } catch {
    say("There is no camera that this page may use.", true);
  }
}

function shoot() {
  const finder = find("finder");
  const canvas = element("canvas", { width: finder.videoWidth, height: finder.videoHeight });
  canvas.getContext("2d").drawImage(finder, 0, 0);
  canvas.toBlob((blob) => {
    find("camera").close();
    accept(blob);
  }, "image/jpeg", 0.92);
}

function release() {
  for (const track of find("finder").srcObject?.getTracks() ?? []) track.stop();
  find("finder").srcObject = null;
}
