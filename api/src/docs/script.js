"use strict";
const make = (tag, text, ...children) => {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
};
// What stands between backticks is code.
const prose = (tag, text) =>
  make(tag, "", ...text.split("`").map((part, place) => place % 2 ? make("code", part) : part));
const classed = (node, name) => { node.className = name; return node; };
const shape = (contract, schema, depth = 0) => {
  if (!schema) return "";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return depth > 3 ? name : shape(contract, contract.components.schemas[name], depth);
  }
  const several = schema.oneOf || schema.anyOf || schema.allOf;
  if (several) return several.map((one) => shape(contract, one, depth)).join(" or ");
  const indent = "  ".repeat(depth + 1);
  if (schema.properties) {
    const lines = Object.entries(schema.properties).map(([key, value]) => {
      const needed = (schema.required || []).includes(key) ? "" : "?";
      return `${indent}${key}${needed}: ${shape(contract, value, depth + 1)}`;
    });
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  if (schema.items) return `list of ${shape(contract, schema.items, depth)}`;
  if (schema.enum) return schema.enum.join(" | ");
  const type = [].concat(schema.type || "anything").join(" or ");
  return schema.format ? `${type} (${schema.format})` : type;
};
const contents = (contract, content) =>
  Object.entries(content || {}).map(([type, media]) =>
    make("div", "", make("code", type), make("pre", shape(contract, media.schema))));
const rows = (entries) =>
  make("table", "", ...entries.map(([name, text]) => make("tr", "", make("th", name), make("td", text))));
const route = (contract, path, method, operation) => {
  const summary = make("summary", "", classed(make("span", method.toUpperCase()), "method"), make("code", path));
  summary.append(classed(prose("span", operation.summary || ""), "what"));
  const all = make("details", "", summary);
  if (operation.description) all.append(prose("p", operation.description));
  if (operation.parameters) {
    all.append(make("h4", "Parameters"), rows(operation.parameters.map((parameter) =>
      [`${parameter.name} (${parameter.in})`, parameter.description || shape(contract, parameter.schema)])));
  }
  if (operation.requestBody) {
    all.append(make("h4", "Body"), prose("p", operation.requestBody.description || ""));
    all.append(...contents(contract, operation.requestBody.content));
  }
  all.append(make("h4", "Answers"));
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    all.append(make("p", `${status} ${answer.description || ""}`), ...contents(contract, answer.content));
  }
  return all;
};
fetch("/openapi.json").then((answer) => answer.json()).then((contract) => {
  const methods = ["get", "post", "put", "patch", "delete"];
  const routes = Object.entries(contract.paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => route(contract, path, method, item[method])));
  document.getElementById("routes").replaceChildren(...routes);
}).catch(() => {
  document.getElementById("routes").textContent = "The contract could not be loaded.";
});
