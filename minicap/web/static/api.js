// The API's description as a page, from openapi.json.

import { element, find } from "./dom.js";

const response = await fetch("/api/openapi.json");
const spec = await response.json();

find("about").prepend(`${spec.info.description} `);
for (const [address, methods] of Object.entries(spec.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    find("addresses").append(card(address, method, operation));
  }
}

function card(address, method, operation) {
  const parameters = operation.parameters ?? [];
  return element("section", { class: "card" },
    element("h3", { class: "address" }, element("span", { class: "method" }, method.toUpperCase()),
      element("code", {}, address)),
    element("p", {}, operation.description ?? operation.summary),
    parameters.length ? table(["parameter", "", "meaning"], parameters.map((parameter) => [
      element("code", {}, parameter.name),
      parameter.required ? "needed" : ranged(parameter.schema),
      parameter.description])) : null,
    element("h3", {}, "Try it"),
    element("pre", { tabindex: 0 }, element("code", {}, operation["x-example"].replaceAll("ORIGIN", location.origin))),
    element("p", {}, "Answers: ", operation.responses[200].description),
    element("details", {}, element("summary", {}, "What can go wrong"),
      table(["status", "meaning"], Object.entries(operation.responses)
        .filter(([status]) => status !== "200")
        .map(([status, answer]) => [status, resolved(answer).description]))));
}

function resolved(answer) {
  return answer.$ref ? spec.components.responses[answer.$ref.split("/").at(-1)] : answer;
}

function ranged(schema) {
  if (schema.minimum === undefined) return schema.type === "array" ? "repeatable" : "";
  return `${schema.minimum} to ${schema.maximum}, else ${schema.default}`;
}

function table(heads, rows) {
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": heads[0] },
    element("table", {},
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { class: "text", scope: "col" }, head)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {},
        ...row.map((cell) => element("td", { class: "text" }, cell)))))));
}
