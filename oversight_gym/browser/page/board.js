// The grid: squares with gate colours and arrows, and pieces that can be dragged, pushed and clicked.

const CLICK = 0.12; // squares; a pointer that moved less has clicked

class Board {
  /** @param change is called after a piece was moved or an eye opened or shut, with a sentence about it. */
  constructor(element, episode, change) {
    Object.assign(this, { element, episode, change, world: episode.world });
    const { rows, cols } = this.world;
    element.setAttribute("viewBox", `-0.04 -0.04 ${cols + 0.08} ${rows + 0.08}`);
    element.setAttribute("aria-label", `Grid of ${rows} rows and ${cols} columns`);
    this.squares = Array.from({ length: rows * cols }, (_, square) => this.square(square));
    this.trail = svg("polyline", { class: "trail" });
    this.home = circle(0, 0, 0.34, { class: "home" });
    this.pieces = new Map();
    element.append(...this.squares.map(({ group }) => group), this.home, this.trail);
    this.world.terminals.forEach((terminal, index) => {
      const kind = this.world.kinds[terminal.kind].name;
      this.add(index, svg("g", {}, terminalSprite(terminal, kind, this.world.shapes), eyeSprite(this.world.shapes)));
    });
    this.add("agent", agentSprite());
  }

  square(square) {
    const [x, y] = this.position(square), wall = this.world.walls.includes(square);
    const title = svg("title"), arrows = svg("g", { transform: `translate(${x + 0.5} ${y + 0.5})`, class: "arrows" });
    const tint = svg("rect", { x, y, width: 1, height: 1, class: "tint" });
    const lit = svg("rect", { x: x + 0.04, y: y + 0.04, width: 0.92, height: 0.92, rx: 0.07, class: "lit" });
    const group = svg("g", { role: "img" }, title,
      svg("rect", { x, y, width: 1, height: 1, class: wall ? "wall" : "floor" }), tint, lit, arrows);
    return { group, title, tint, lit, arrows };
  }

  position(square) {
    return [square % this.world.cols, Math.floor(square / this.world.cols)];
  }

  /** Null beyond the grid. */
  squareAt(col, row) {
    const { rows, cols } = this.world;
    return col < 0 || row < 0 || col >= cols || row >= rows ? null : row * cols + col;
  }

  where(square) {
    const [col, row] = this.position(square);
    return `row ${row + 1}, column ${col + 1}`;
  }

  add(piece, sprite) {
    const ring = svg("rect", { x: -0.44, y: -0.44, width: 0.88, height: 0.88, rx: 0.1, class: "ring" });
    const group = svg("g", { tabindex: 0, role: "button", class: "piece", "data-piece": piece }, sprite, ring);
    group.addEventListener("keydown", (event) => this.pressed(piece, event));
    group.addEventListener("pointerdown", (event) => this.grabbed(piece, group, event));
    this.pieces.set(piece, group);
    this.element.append(group);
  }

  at(piece) {
    return piece === "agent" ? this.episode.agent : this.episode.terminals[piece];
  }

  name(piece) {
    return piece === "agent" ? "agent" : this.world.terminals[piece].name;
  }

  pressed(piece, event) {
    const way = { ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowDown: [1, 0], ArrowLeft: [0, -1] }[event.key];
    if (way) {
      this.push(piece, ...way);
    } else if ((event.key === "Enter" || event.key === " ") && piece !== "agent") {
      this.toggle(piece);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** To the next square in a direction that allows the piece, if there is one. */
  push(piece, down, right) {
    let [col, row] = this.position(this.at(piece));
    for (;;) {
      [col, row] = [col + right, row + down];
      const square = this.squareAt(col, row);
      if (square === null) return;
      if (this.episode.allows(piece, square)) return void this.put(piece, square);
    }
  }

  put(piece, square) {
    this.episode.move(piece, square);
    this.change(`The ${this.name(piece)} is at ${this.where(square)}.`);
  }

  toggle(terminal) {
    this.episode.toggle(terminal);
    this.change(`The ${this.name(terminal)} is ${this.episode.watched[terminal] ? "watched" : "unwatched"}.`);
  }

  /** A point of the screen in squares. */
  point(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.element.getScreenCTM().inverse());
    return [x, y];
  }

  grabbed(piece, group, event) {
    if (event.button) return;
    const from = this.point(event), [col, row] = this.position(this.at(piece));
    let moved = 0;
    const drag = (event) => {
      const [x, y] = this.point(event);
      moved = Math.max(moved, Math.hypot(x - from[0], y - from[1]));
      group.setAttribute("transform", `translate(${col + 0.5 + x - from[0]} ${row + 0.5 + y - from[1]})`);
    };
    const drop = (event) => {
      for (const [name, listener] of Object.entries(listeners)) group.removeEventListener(name, listener);
      group.classList.remove("held");
      const [x, y] = this.point(event), released = event.type === "pointerup";
      const square = this.squareAt(Math.floor(col + 0.5 + x - from[0]), Math.floor(row + 0.5 + y - from[1]));
      if (released && moved < CLICK && piece !== "agent") this.toggle(piece);
      else if (released && this.episode.allows(piece, square)) this.put(piece, square);
      else this.render();
    };
    const listeners = { pointermove: drag, pointerup: drop, pointercancel: drop };
    group.setPointerCapture(event.pointerId);
    group.classList.add("held");
    for (const [name, listener] of Object.entries(listeners)) group.addEventListener(name, listener);
  }

  render() {
    this.squares.forEach((parts, square) => this.paint(parts, square));
    for (const [piece, group] of this.pieces) {
      const square = this.at(piece), [x, y] = this.position(square);
      if (!group.classList.contains("held")) group.setAttribute("transform", `translate(${x + 0.5} ${y + 0.5})`);
      const watched = this.episode.watched[piece];
      if (piece !== "agent") group.setAttribute("aria-pressed", watched);
      const told = piece === "agent" ? "" : watched ? ", watched" : ", unwatched";
      group.setAttribute("aria-label", `${this.name(piece)} at ${this.where(square)}${told}`);
    }
    const middle = (square) => this.position(square).map((number) => number + 0.5);
    this.trail.setAttribute("points", this.episode.path.map((square) => middle(square).join(",")).join(" "));
    const [x, y] = middle(this.episode.start);
    this.home.setAttribute("cx", x);
    this.home.setAttribute("cy", y);
  }

  paint({ group, title, tint, lit, arrows }, square) {
    const { terminals, watched } = this.episode, decided = this.episode.at(square), chances = decided?.actions;
    const terminal = terminals.indexOf(square);
    lit.classList.toggle("on", terminal >= 0 && watched[terminal]);
    const experts = decided?.weights ?? [], most = Math.max(...experts), even = 1 / experts.length;
    const lead = experts.length > 1 ? Math.min(1, (most - even) / (1 - even)) : 0;
    tint.setAttribute("fill", lead ? this.world.experts[experts.indexOf(most)].colour : "none");
    tint.setAttribute("fill-opacity", lead * this.world.gate_strength);
    let still = 0;
    arrows.replaceChildren(...(chances ?? []).flatMap((chance, action) => {
      const { down, right } = this.world.actions[action], moves = down || right, at = [-0.36 + 0.2 * still, 0.36];
      still += !moves;
      if (chance < 0.02) return [];
      if (!moves) return [circle(...at, 0.1 * Math.sqrt(chance))];
      return [svg("path", { d: path(this.world.shapes.arrow, { down, right, scale: chance }) })];
    }));
    const what = chances ? this.world.actions.map(({ name }, a) => `${name} ${chances[a].toFixed(2)}`).join(", ")
      : terminal >= 0 ? this.name(terminal) : "wall";
    title.textContent = `${this.where(square)}: ${what}`;
    group.setAttribute("aria-label", title.textContent);
  }
}
