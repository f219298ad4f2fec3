// Photos that come with minicap: a click tries one.

import { element } from "./dom.js";

// folder: the address that photos.json and the photos lie at.  accept: gets a photo as a file.
export async function showSamples(box, folder, accept) {
  const photos = await (await fetch(`${folder}photos.json`)).json();
  box.replaceChildren(...photos.map(({ file, caption }) => element("button", {
    type: "button",
    onclick: async () => accept(await (await fetch(folder + file)).blob()),
  }, element("img", { src: folder + file, alt: caption, loading: "lazy" }))));
}
