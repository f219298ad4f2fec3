// Which page is shown, by what stands behind the # of the address.

import { find } from "./dom.js";
import * as photo from "./photo.js";
import { ask } from "./server.js";
import * as training from "./training.js";

const PAGES = ["photo", "training"];

async function refresh() {
  try {
    const found = await ask("/api/runs");
    photo.listRuns(found);
    training.listTrainings(found);
  } catch (error) {
    find("status").textContent = error.message;
    find("status").classList.add("bad");
  }
}

async function turn() {
  const wanted = location.hash.slice(1);
  const shown = PAGES.includes(wanted) ? wanted : PAGES[0];
  for (const name of PAGES) {
    find(`${name}-page`).hidden = name !== shown;
    if (name === shown) find(`to-${name}`).setAttribute("aria-current", "page");
    else find(`to-${name}`).removeAttribute("aria-current");
  }
  training.stop();
  await refresh();
  if (shown === "training" && !find("training-page").hidden) training.follow();
}

photo.start();
training.start();
addEventListener("hashchange", turn);
turn();
