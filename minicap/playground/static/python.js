// The worker that runs Python: started, asked, and stopped when what it runs does not end.

import { find } from "./dom.js";

let worker = null;
let waiting = new Map(); // questions without an answer: how to settle their promises
let next = 0;
let whenReady = () => {};
let begun = 0;

export function start(ready) {
  whenReady = ready;
  begun = performance.now();
  waiting = new Map();
  // A worker that comes from a blob has this page's policy, so that no code in it can reach another host.
  const address = new URL("worker.js", import.meta.url).href;
  const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(address)};`], { type: "text/javascript" }));
  worker = new Worker(blob, { type: "module", name: "Python" });
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = (event) => fail(event.message || "the worker could not be started");
}

export function ask(question, asked = {}, more = {}) {
  return new Promise((resolve, reject) => {
    next += 1;
    waiting.set(next, { resolve, reject });
    busy();
    worker.postMessage({ id: next, question, asked, ...more });
  });
}

export function stop() {
  worker.terminate();
  for (const { reject } of waiting.values()) reject(new Error("Stopped."));
  start(whenReady);
}

function hear(data) {
  if (data.state) state(data.state, data.share);
  if (data.failed) fail(data.failed);
  if (data.ready) {
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    state(`Python, NumPy and minicap run in this page (ready after ${seconds} s).`);
    document.body.dataset.ready = seconds;
    whenReady(data.ready);
  }
  if (data.id) {
    const { resolve, reject } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.answer.error) reject(new Error(data.answer.error));
    else resolve(data.answer);
    busy();
  }
}

let patience = null;

// The button appears when an answer is late: it would only flicker before.
function busy() {
  clearTimeout(patience);
  if (waiting.size) patience = setTimeout(() => { find("stop").hidden = false; }, 1000);
  else find("stop").hidden = true;
}

function state(text, share) {
  find("state").textContent = text;
  find("state").classList.remove("bad");
  find("progress").hidden = share === undefined;
  if (share !== undefined) find("progress").value = share;
  delete document.body.dataset.ready;
}

function fail(why) {
  state(`Python could not be started: ${why}`);
  find("state").classList.add("bad");
}
