// A backward in an editor, and what the gradient checker says about it.

import { element, find } from "./dom.js";
import { ask } from "./python.js";

let exercises = [];

export function start() {
  find("exercise").addEventListener("change", choose);
  find("check").addEventListener("click", check);
  find("source").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      if (!find("check").disabled) check();
    } else if (!event.shiftKey) {
      event.preventDefault();
      indent(event.target);
    }
  });
}

export function ready(found) {
  find("check").disabled = false;
  if (exercises.length) return; // Python was stopped; what was edited stays
  exercises = found.exercises;
  find("exercise").replaceChildren(...exercises.map((each) => element("option", { value: each.layer }, each.title)));
  choose();
}

function choose() {
  const exercise = exercises.find((each) => each.layer === find("exercise").value);
  const choices = [["As it is", exercise.source], ...exercise.mistakes.map((each) => [each.title, each.source])];
  find("mistakes").replaceChildren(...choices.map(([title, source]) =>
    element("button", { type: "button", onclick: () => load(source) }, title)));
  find("given").textContent = exercise.forward;
  find("given-name").textContent = exercise.given;
  load(exercise.source);
}

function load(source) {
  find("source").value = source;
  find("source").scrollTop = 0;
  clear();
}

function clear() {
  find("verdict").textContent = "";
  find("verdict").className = "message";
  find("findings").replaceChildren();
  find("report").hidden = true;
}

// A new line begins below the first letter of the last one, one step further after a colon.
function indent(area) {
  const before = area.value.slice(0, area.selectionStart).split("\n").at(-1);
  const spaces = /^ */.exec(before)[0] + (before.trimEnd().endsWith(":") ? "    " : "");
  area.setRangeText(`\n${spaces}`, area.selectionStart, area.selectionEnd, "end");
}

async function check() {
  clear();
  find("check").disabled = true;
  find("verdict").textContent = "Checking …";
  try {
    const found = await ask("check", { layer: find("exercise").value, source: find("source").value });
    say(found.passed ? "Every gradient is right." : "Not right yet:", found.passed);
    find("findings").replaceChildren(...found.findings.slice(0, 8).map((finding) => element("li", {}, finding)));
    find("report").textContent = `$ minicap gradcheck ${find("exercise").value}\n${found.text}`;
    find("report").hidden = false;
  } catch (error) {
    say(error.message, false);
  }
  find("gradients-hint").hidden = true;
  find("check").disabled = !document.body.dataset.ready;
}

function say(text, good) {
  find("verdict").textContent = text;
  find("verdict").className = `message ${good ? "good" : "bad"}`;
}
