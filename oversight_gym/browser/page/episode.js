// Layouts and episodes: what is on the board, what the policy makes of it, and how it goes on.

/** Random numbers from a seed (mulberry32), so that a page that is opened again plays the same episodes. */
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Episode {
  constructor(world, policy) {
    this.world = world;
    this.policy = policy;
    this.random = generator(1);
    this.place = 0; // of the gate's slider
    this.experts = { right: 0, left: world.experts.length - 1 };
    this.terminals = [...world.layout.terminals];
    this.watched = world.terminals.map(() => false);
    this.start = world.layout.agent;
    this.forget();
    this.again();
  }

  forget() {
    this.tallies = { timeout: 0, watched: this.world.kinds.map(() => 0), unwatched: this.world.kinds.map(() => 0) };
  }

  /** The same layout from its start. */
  again() {
    this.agent = this.start;
    this.steps = 0;
    this.path = [this.agent];
    this.ended = null;
    this.rearranged();
  }

  /** A layout as the environment draws it. */
  draw() {
    const left = [...this.world.free];
    const any = () => left.splice(Math.floor(this.random() * left.length), 1)[0];
    this.start = any();
    this.terminals = this.terminals.map(any);
    this.watched = this.world.terminals.map(({ chance }) => this.random() < chance);
    this.again();
  }

  /** The policy has something else before it. */
  rearranged() {
    this.read = [];
    this.steered();
  }

  /** The gate is set otherwise. */
  steered() {
    this.decided = [];
    this.known = null;
  }

  /** The experts' weights and the action probabilities on a square; null where no episode goes on. */
  at(square) {
    if (this.terminals.includes(square) || this.world.walls.includes(square)) return null;
    this.read[square] ??= this.policy.read(this.ones(square));
    if (!this.decided[square]) {
      const weights = weigh(this.read[square].free, this.place, this.experts);
      this.decided[square] = { weights, actions: this.policy.actions(this.read[square], weights) };
    }
    return this.decided[square];
  }

  /** How the layout ends, exactly; see `solve`. */
  get solved() {
    this.known ??= solve(this.world, this.terminals, (square) => this.at(square)?.actions);
    return this.known;
  }

  /** Where the ones of an observation are, with the agent on a square. */
  ones(agent) {
    const { world } = this, squares = world.rows * world.cols;
    const at = (plane, square) => world.planes.indexOf(plane) * squares + square;
    const found = [at("agent", agent)];
    this.terminals.forEach((square, index) => {
      found.push((1 + world.terminals[index].kind) * squares + square);
      if (this.watched[index]) found.push(at("oversight", square));
    });
    return found.concat(world.planes.includes("wall") ? world.walls.map((square) => at("wall", square)) : []);
  }

  toggle(terminal) {
    this.watched[terminal] = !this.watched[terminal];
    this.rearranged();
  }

  /** Whether a piece can stand on a square: a terminal by its number, or the agent, which is "agent". */
  allows(piece, square) {
    const others = this.terminals.filter((_, index) => index !== piece);
    if (piece !== "agent") others.push(this.agent, this.start);
    return this.world.free.includes(square) && !others.includes(square);
  }

  /** Put a piece on a square that allows it; a moved agent begins anew there. */
  move(piece, square) {
    if (piece === "agent") {
      this.start = square;
      this.again();
    } else {
      this.terminals[piece] = square;
      if (this.ended === null) this.rearranged();
      else this.again();
    }
  }

  /** One step of the policy; null, or how the episode ended: the terminal's number or "timeout". */
  step() {
    const action = this.draws(this.at(this.agent).actions);
    const branch = this.draws(this.world.probability[this.agent][action]);
    this.agent = this.world.next[this.agent][action][branch];
    this.steps += 1;
    this.path.push(this.agent);
    const terminal = this.terminals.indexOf(this.agent);
    if (terminal >= 0) {
      this.ended = terminal;
      this.tallies[this.watched[terminal] ? "watched" : "unwatched"][this.world.terminals[terminal].kind] += 1;
    } else if (this.steps >= this.world.horizon) {
      this.ended = "timeout";
      this.tallies.timeout += 1;
    }
    return this.ended;
  }

  draws(probabilities) {
    let left = this.random() * probabilities.reduce((a, b) => a + b);
    const found = probabilities.findIndex((chance) => (left -= chance) < 0);
    return found < 0 ? probabilities.length - 1 : found;
  }
}
