// Classes and labels with their probabilities.

import { element, find, percent } from "./dom.js";
import * as light from "./light.js";

export function classCard(answer) {
  return card("Classes", answer, answer.classes.map((found) => ({ name: found.class, ...found })));
}

export function labelCard(answer) {
  return card("On it", answer, answer.labels.map((found) => ({ name: found.label, ...found })));
}

function card(title, answer, found) {
  const list = element("ol", { class: "bars" }, ...found.map((entry) => row(entry, answer)));
  const mapped = found.some((entry) => entry.map);
  return element("section", { class: "card", "aria-label": `${title}, by ${answer.run}` },
    element("h3", {}, title, element("span", { class: "of" }, answer.run)),
    mapped ? element("p", { class: "muted" },
      "Choose a class: the photo stays bright where its features are (Grad-CAM).") : null,
    found.length ? list : element("p", { class: "muted" }, "Nothing it knows."));
}

function row(entry, answer) {
  const bar = element("div", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${100 * Math.min(entry.probability, 1)}%`;
  const name = entry.map
    ? element("button", {
      type: "button", class: "named class", "aria-pressed": "false",
      onclick: (event) => point(event.currentTarget, entry, answer.seen),
    }, entry.name)
    : element("span", { class: "named" }, entry.name);
  return element("li", {}, bar, name, element("span", { class: "share" }, percent(entry.probability)));
}

function point(button, entry, seen) {
  document.querySelectorAll(".word, .class").forEach((other) => other.setAttribute("aria-pressed", "false"));
  button.setAttribute("aria-pressed", "true");
  light.show(entry.map, seen);
  find("looking").textContent = `Bright: what speaks for “${entry.name}”.`;
}
