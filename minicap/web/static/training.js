// The training page: the curves and sample captions of a run, drawn again whenever it has written something.

import { chart, short } from "./chart.js";
import { element, find } from "./dom.js";
import { ask } from "./server.js";

const SECONDS = 2; // between two looks
const PLAIN = new Set(["step", "epoch", "train_loss", "validation_loss", "seconds"]);

let timer = null;
let version = ""; // of what is drawn
let epoch = null; // of the captions shown; null follows the latest

export function listTrainings(found) {
  const select = find("followed");
  const before = select.value;
  const names = found.runs.filter((run) => run.trains).map((run) => run.name);
  select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  if (names.includes(before)) select.value = before;
  select.disabled = !names.length;
  if (!names.length) {
    find("training").replaceChildren(element("div", { class: "card" },
      element("p", {}, "No run is known here. Name some when you start the server:"),
      element("pre", {}, element("code", {}, "minicap serve --runs runs"))));
  }
}

export function follow() {
  stop();
  look();
}

export function stop() {
  clearTimeout(timer);
  timer = null;
}

async function look() {
  const run = find("followed").value;
  if (run && !document.hidden) {
    try {
      const found = await ask("/api/progress", [["run", run]]);
      if (run === find("followed").value) draw(found);
    } catch (error) {
      find("standing").textContent = error.message;
    }
  }
  if (!find("training-page").hidden) {
    stop();
    timer = setTimeout(look, 1000 * SECONDS);
  }
}

function draw(found) {
  const done = found.epochs.at(-1)?.epoch ?? 0;
  const of = found.of_epochs ? ` of ${found.of_epochs}` : "";
  find("standing").textContent = `epoch ${done}${of} done, last written ${ago(found.updated)}`;
  const now = `${found.run} ${found.updated} ${found.samples.captions.length}`;
  if (now === version) return;
  version = now;
  find("training").replaceChildren(curves(found), samples(found), numbers(found));
}

function ago(updated) {
  const seconds = Math.max(Math.round(Date.now() / 1000 - updated), 0);
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

function curves(found) {
  const of = (name) => found.epochs.map((record) => [record.epoch, record[name] ?? null]);
  const lines = [{ name: "training", kind: "train", points: of("train_loss") }];
  if (found.epochs.some((record) => "validation_loss" in record)) {
    lines.push({ name: "validation", kind: "validation", points: of("validation_loss") });
  }
  const cards = [
    ["Loss per epoch", lines, "epoch"],
    ["Loss per step", [{ name: "training", kind: "step", points: found.steps }], "step"],
    ...others(found).map((name) => [
      name.replaceAll("_", " "), [{ name: name.replaceAll("_", " "), kind: "train", points: of(name) }], "epoch"]),
  ];
  return element("div", { class: "charts" }, ...cards.map(([title, drawn, across]) =>
    element("section", { class: "card" }, element("h3", {}, title), chart(title, drawn, across))));
}

// The numbers that a run records besides its losses: scores, the learning rate.
function others(found) {
  const names = new Set(found.epochs.flatMap((record) => Object.keys(record)));
  return [...names].filter((name) => !PLAIN.has(name)
    && found.epochs.some((record) => typeof record[name] === "number"));
}

function samples(found) {
  const { humans, captions } = found.samples;
  if (!humans.length || !captions.length) return "";
  const grid = element("div", { class: "samples" });
  const label = element("output", {});
  const last = captions.length - 1;
  const slider = element("input", {
    type: "range", id: "epoch", min: 0, max: last, value: last,
    oninput: () => {
      epoch = Number(slider.value) === last ? null : captions[slider.value].epoch;
      fill();
    },
  });
  if (epoch !== null) slider.value = Math.max(captions.findIndex((entry) => entry.epoch === epoch), 0);

  const said = humans.map(() => element("p", { class: "said" }));
  humans.forEach((of, i) => grid.append(element("div", { class: "sample" },
    element("img", {
      alt: `Validation photo ${i + 1}`, loading: "lazy",
      src: `/api/sample?${new URLSearchParams([["run", found.run], ["photo", i]])}`,
    }),
    element("div", {}, said[i], element("p", { class: "human" }, of.length ? `Human: ${of[0]}` : "")))));

  function fill() {
    const entry = captions[slider.value];
    label.textContent = `epoch ${entry.epoch}`;
    said.forEach((line, i) => { line.textContent = entry.captions[i] ?? ""; });
  }
  fill();
  return element("section", { class: "card" },
    element("h3", {}, "The same validation photos, epoch by epoch"),
    element("p", { class: "row" }, element("label", { for: "epoch" }, "After"), slider, label),
    grid);
}

function numbers(found) {
  const names = ["epoch", "train_loss",
    ...(found.epochs.some((record) => "validation_loss" in record) ? ["validation_loss"] : []),
    ...others(found), "seconds"];
  return element("details", {}, element("summary", {}, "The numbers"),
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The numbers" },
      element("table", {},
        element("thead", {}, element("tr", {}, ...names.map((name) =>
          element("th", { scope: "col" }, name.replaceAll("_", " "))))),
        element("tbody", {}, ...found.epochs.map((record) => element("tr", {},
          ...names.map((name) => element("td", {}, short(record[name])))))))));
}

export function start() {
  find("followed").addEventListener("change", () => {
    epoch = null;
    version = "";
    follow();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && timer) follow();
  });
}
