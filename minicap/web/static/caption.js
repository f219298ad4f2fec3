// The captions of one captioner: the best word by word, the others to choose from.

import { element, find, percent } from "./dom.js";
import * as light from "./light.js";
import { ask } from "./server.js";

const SECONDS_A_WORD = 0.9;

export function captionCard(answer, photo) {
  const words = element("p", { class: "words" });
  const note = element("p", { class: "muted", role: "status" });
  const play = element("button", { type: "button", hidden: true }, "Play word by word");
  const list = element("ol", { class: "bars", "aria-label": "Captions, the best first" });
  const card = element("section", { class: "card caption", "aria-label": `Caption by ${answer.run}` },
    element("h3", {}, "Caption", element("span", { class: "of" }, answer.run)),
    words, element("p", { class: "row" }, play), note,
    ...(answer.captions.length > 1 ? [element("h3", {}, "Alternatives"), list,
      element("p", { class: "muted small" },
        "With the probability of the whole sentence; longer ones are ranked as if a little likelier.")] : []));
  let timer = null;
  let chosen = null;
  let buttons = [];

  const most = Math.max(...answer.captions.map((caption) => caption.probability), 1e-12);
  const choices = answer.captions.map((caption) => element("button", {
    type: "button", class: "named", "aria-pressed": "false", onclick: () => choose(caption),
  }, caption.caption));
  answer.captions.forEach((caption, i) => {
    const bar = element("div", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `${(100 * caption.probability) / most}%`;
    list.append(element("li", {}, bar, choices[i],
      element("span", { class: "share" }, percent(caption.probability))));
  });

  function choose(caption) {
    stop();
    light.clear();
    find("looking").textContent = "";
    chosen = caption;
    choices.forEach((choice, i) => {
      choice.setAttribute("aria-pressed", String(answer.captions[i] === caption));
    });
    if (caption.maps) {
      explained(caption);
      return;
    }
    words.replaceChildren(caption.words.join(" "));
    play.hidden = true;
    note.textContent = "Hiding parts of the photo, to see what each word rests on …";
    ask("/api/hide", [["run", answer.run], ["caption", caption.caption]], photo).then((found) => {
      caption.hidden = true;
      caption.maps = found.maps;
      if (chosen === caption) explained(caption);
    }).catch((error) => {
      if (chosen === caption) note.textContent = error.message;
    });
  }

  function explained(caption) {
    note.textContent = caption.hidden
      ? "Choose a word: the photo stays bright where hiding a part makes the word less likely."
      : "Choose a word: the photo stays bright where the captioner looked before saying it.";
    buttons = caption.words.map((word, i) => element("button", {
      type: "button", class: "word", "aria-pressed": "false",
      onclick: () => { stop(); point(i); },
      onpointerenter: (event) => { if (event.pointerType === "mouse" && !timer) point(i); },
      onkeydown: (event) => step(event, i),
    }, word));
    words.replaceChildren(...buttons.flatMap((button) => [button, " "]));
    play.hidden = false;
  }

  function point(i) {
    document.querySelectorAll(".word, .class").forEach((other) => other.setAttribute("aria-pressed", "false"));
    buttons[i].setAttribute("aria-pressed", "true");
    light.show(chosen.maps[i], answer.seen);
    find("looking").textContent = chosen.hidden
      ? `Bright: hiding it makes “${chosen.words[i]}” less likely.`
      : `Bright: looked at before saying “${chosen.words[i]}”.`;
  }

  function step(event, i) {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    stop();
    buttons[to].focus();
    point(to);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play word by word";
  }

  play.addEventListener("click", () => {
    if (timer) {
      stop();
      return;
    }
    let i = 0;
    point(i);
    play.textContent = "Stop";
    timer = setInterval(() => {
      i += 1;
      if (i < buttons.length && card.isConnected) point(i);
      else stop();
    }, 1000 * SECONDS_A_WORD);
  });

  choose(answer.captions[0]);
  return card;
}
