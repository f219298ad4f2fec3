// A map over the photo: bright where it is large, dark elsewhere, as in Xu et al. 2015.

import { find } from "./dom.js";

const DARKEST = 0.72; // how dark a place without weight becomes

let current = null; // the map shown: rows of numbers in 0..1, and the part of the photo it is for

export function show(rows, seen) {
  current = { rows, seen };
  draw();
}

export function clear() {
  current = null;
  draw();
}

function draw() {
  const canvas = find("light");
  canvas.hidden = current === null;
  if (current === null) return;
  const image = find("image");
  const shown = placed(image);
  canvas.style.left = `${shown.left}px`;
  canvas.style.top = `${shown.top}px`;
  canvas.style.width = `${shown.width}px`;
  canvas.style.height = `${shown.height}px`;
  canvas.width = Math.max(Math.round(shown.width), 1);
  canvas.height = Math.max(Math.round(shown.height), 1);
  const context = canvas.getContext("2d");
  const [left, top, right, bottom] = current.seen;
  const inside = [
    left * canvas.width, top * canvas.height,
    (right - left) * canvas.width, (bottom - top) * canvas.height,
  ];
  context.fillStyle = `rgb(0 0 0 / ${DARKEST})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.clearRect(...inside);
  context.imageSmoothingQuality = "high";
  context.drawImage(shade(current.rows), ...inside);
}

// A small canvas with one pixel per place, black, and the clearer the larger its number.
function shade(rows) {
  const small = document.createElement("canvas");
  small.width = rows[0].length;
  small.height = rows.length;
  const context = small.getContext("2d");
  const pixels = context.createImageData(small.width, small.height);
  rows.flat().forEach((share, i) => {
    pixels.data[4 * i + 3] = Math.round(255 * DARKEST * (1 - share));
  });
  context.putImageData(pixels, 0, 0);
  return small;
}

// Where the photo lies within its element, which keeps the photo's shape.
function placed(image) {
  const scale = Math.min(
    image.clientWidth / image.naturalWidth, image.clientHeight / image.naturalHeight);
  const width = scale * image.naturalWidth;
  const height = scale * image.naturalHeight;
  return {
    left: image.offsetLeft + (image.clientWidth - width) / 2,
    top: image.offsetTop + (image.clientHeight - height) / 2,
    width, height,
  };
}

new ResizeObserver(draw).observe(find("image"));
