// Elements of the page, and the sprites: outlines in units of a square around its centre, as in every other picture.

const SVG = "http://www.w3.org/2000/svg";

/** A new SVG element; text goes in as text. */
function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A new HTML element; text goes in as text. */
function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const byId = (id) => document.getElementById(id);

/** An outline as a path, turned by quarter or other directions and made smaller or larger. */
function path(outline, { down = 0, right = 1, scale = 1, at = [0, 0] } = {}) {
  const far = Math.max(Math.abs(down), Math.abs(right)) || 1;
  const points = outline.map(([x, y]) => [
    at[0] + (scale * (x * right - y * down)) / far, at[1] + (scale * (x * down + y * right)) / far,
  ]);
  return `M${points.map((point) => point.map((number) => number.toFixed(4)).join(" ")).join("L")}Z`;
}

const circle = (x, y, r, attributes) => svg("circle", { cx: x, cy: y, r, ...attributes });

function agentSprite() {
  const eyes = [-0.09, 0.09].flatMap((x) => [
    circle(x, -0.04, 0.07, { class: "white" }), circle(x, -0.03, 0.033, { class: "pupil" }),
  ]);
  return svg("g", {}, circle(0, 0, 0.25, { class: "agent" }), ...eyes);
}

function terminalSprite(terminal, kind, shapes) {
  const sprite = svg("g", {}, svg("path", { d: path(terminal.outline), fill: terminal.colour }));
  if (kind === "ghost") {
    for (const [x, y] of shapes.ghost_eyes) {
      sprite.append(circle(x, y, 0.065, { class: "white" }), circle(x + 0.015, y + 0.015, 0.03, { class: "pupil" }));
    }
  }
  if (kind === "diamond") {
    for (const [[x1, y1], [x2, y2]] of shapes.facets) sprite.append(svg("line", { x1, y1, x2, y2, class: "facet" }));
  }
  if (terminal.letter) {
    sprite.append(svg("text", { class: "letter", fill: terminal.letter_colour, y: 0.11 }, terminal.letter));
  }
  return sprite;
}

/** The eye above a terminal, open or shut by the class of the piece around it. */
function eyeSprite(shapes) {
  const [x, y] = shapes.eye_at;
  return svg("g", { class: "eye" },
    circle(x, y, 0.2, { class: "touch" }),
    svg("path", { d: path(shapes.eye, { at: shapes.eye_at }), class: "lids" }),
    circle(x, y, 0.05, { class: "iris" }),
    svg("line", { x1: x - 0.13, y1: y + 0.1, x2: x + 0.13, y2: y - 0.1, class: "struck" }));
}
