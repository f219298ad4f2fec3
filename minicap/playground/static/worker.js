// Python, in a thread of its own: the page stays alive while it computes.

import { loadPyodide } from "./pyodide/pyodide.mjs";

const here = new URL(".", import.meta.url).href;
const unpacked = new Set();
let python = null;
let rooms = null;

const say = (text, share) => postMessage({ state: text, share });

async function bytes(name) {
  const response = await fetch(here + name);
  if (!response.ok) throw new Error(`${name}: the server answers ${response.status}`);
  return response.arrayBuffer();
}

async function unpack(name, content = bytes(name)) {
  if (unpacked.has(name)) return;
  python.unpackArchive(await content, "zip", { extractDir: "/lib/python3.12/site-packages" });
  unpacked.add(name);
}

async function start() {
  say("Starting Python …", 0.1);
  const numpy = bytes("numpy.zip");
  const minicap = bytes("minicap.zip");
  // The ways that are fastest with OpenBLAS say nothing here; nothing is measured either.
  python = await loadPyodide({ indexURL: `${here}pyodide/`, env: { MINICAP_AUTOTUNE: "0" } });
  say("Unpacking NumPy and minicap …", 0.5);
  await unpack("numpy.zip", numpy);
  await unpack("minicap.zip", minicap);
  say("Importing NumPy …", 0.6);
  python.runPython("import numpy");
  say("Importing minicap …", 0.75);
  python.pyimport("minicap.playground.pillow").install();
  rooms = python.pyimport("minicap.playground.rooms");
  const exercises = JSON.parse(rooms.answer("exercises", "{}"));
  postMessage({ ready: exercises });
}

const started = start().catch((error) => postMessage({ failed: error.message }));

// One question at a time, in their order.
let last = started;
onmessage = ({ data: { id, question, asked, pixels, needs } }) => {
  last = last.then(async () => {
    try {
      if (needs) await unpack(needs);
      const given = pixels ? [python.toPy(pixels)] : [];
      postMessage({ id, answer: JSON.parse(rooms.answer(question, JSON.stringify(asked), ...given)) });
    } catch (error) {
      postMessage({ id, answer: { error: error.message } });
    }
  });
};
