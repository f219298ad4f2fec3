// A line chart as SVG: lines over a common axis, with a grid that has round numbers.

import { drawn, element } from "./dom.js";

const WIDTH = 380;
const HEIGHT = 230;
const EDGE = { left: 52, right: 12, top: 10, bottom: 40 };

// lines: [{ name, kind, points: [[x, y], ...] }]; kind is a class of the style sheet; y may be null.
export function chart(title, lines, across) {
  const points = lines.flatMap((line) => line.points).filter(([, y]) => y !== null);
  if (!points.length) return element("p", { class: "muted" }, "Nothing is recorded yet.");
  const [left, right] = extent(points.map(([x]) => x), 0);
  const [low, high] = extent(points.map(([, y]) => y), 0.05);
  const x = (value) => EDGE.left + ((value - left) / (right - left)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((value - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const svg = drawn("svg", {
    class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${spoken(lines)}`,
  });
  for (const value of ticks(low, high, 5)) {
    svg.append(
      drawn("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value) }),
      drawn("text", { x: EDGE.left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  for (const value of ticks(left, right, 5)) {
    svg.append(drawn("text", { x: x(value), y: HEIGHT - 20, "text-anchor": "middle" }, short(value)));
  }
  svg.append(drawn("text", { x: (WIDTH + EDGE.left) / 2, y: HEIGHT - 3, "text-anchor": "middle" }, across));
  for (const line of lines) {
    svg.append(drawn("path", { class: line.kind, d: path(line.points, x, y) }));
    const last = line.points.filter(([, value]) => value !== null).at(-1);
    if (last && line.kind !== "step") {
      svg.append(drawn("circle", { class: line.kind, cx: x(last[0]), cy: y(last[1]), r: 3.5 }));
    }
  }
  return element("div", {}, svg, element("p", { class: "legend" }, ...lines.map((line) => element("span", {},
    drawn("svg", { class: "chart", viewBox: "0 0 26 13", "aria-hidden": "true" },
      drawn("path", { class: line.kind, d: "M1 7H25" })),
    latest(line)))));
}

function path(points, x, y) {
  let pen = "M"; // lifted where a number is missing
  return points.map(([across, up]) => {
    if (up === null) {
      pen = "M";
      return "";
    }
    const drawnTo = `${pen}${x(across).toFixed(1)} ${y(up).toFixed(1)}`;
    pen = "L";
    return drawnTo;
  }).join("");
}

function extent(values, room) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const space = (high - low) * room || (high === low ? Math.abs(high) * 0.1 || 1 : 0);
  return [low - space, high + space];
}

function ticks(low, high, about) {
  const rough = (high - low) / about;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) found.push(k * step);
  return found;
}

export function short(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return String(Number(value.toPrecision(3)));
}

function latest(line) {
  const last = line.points.filter(([, y]) => y !== null).at(-1);
  return last ? `${line.name} ${short(last[1])}` : line.name;
}

function spoken(lines) {
  return lines.map(latest).join(", ");
}
