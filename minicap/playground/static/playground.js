// Which room is shown, by what stands behind the # of the address.

import { find } from "./dom.js";
import * as gradients from "./gradients.js";
import * as photo from "./photo.js";
import * as python from "./python.js";
import * as training from "./training.js";

const ROOMS = { gradients, photo, training };

function turn() {
  const wanted = location.hash.slice(1);
  const shown = wanted in ROOMS ? wanted : "gradients";
  for (const name of Object.keys(ROOMS)) {
    find(`${name}-room`).hidden = name !== shown;
    if (name === shown) find(`to-${name}`).setAttribute("aria-current", "page");
    else find(`to-${name}`).removeAttribute("aria-current");
  }
  if (shown !== "training") training.pause();
}

for (const room of Object.values(ROOMS)) room.start();
addEventListener("hashchange", turn);
turn();
find("stop").addEventListener("click", python.stop);
python.start((found) => {
  for (const room of Object.values(ROOMS)) room.ready(found);
});
