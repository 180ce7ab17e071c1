// Beside the grid: the gate, oversight and the numbers.

const END = 2; // of the slider, on either side

/** A cell that shows a number to three digits and holds all of them. */
function numberCell(key) {
  return html("td", {}, html("data", { "data-key": key }, "–"));
}

function setNumber(cell, number) {
  const data = cell.firstChild;
  data.value = number === null ? "" : String(number);
  data.textContent = number === null ? "–" : number.toFixed(3).replace(/^-(0\.0+)$/, "$1");
}

class Panel {
  /** @param change is called after anything was set. */
  constructor(episode, change) {
    Object.assign(this, { episode, change, world: episode.world });
    this.kinds = this.world.kinds.map(({ name, value }, index) => ({ name, value, index }));
    this.kinds.sort((a, b) => b.value - a.value); // the most valuable first, as in every table
    this.gate();
    this.oversight();
    this.exact();
    this.here();
    this.counts();
  }

  expert(side) {
    return this.world.experts[this.episode.experts[side]].name;
  }

  gate() {
    const { experts } = this.world;
    byId("gate").hidden = byId("colours").parentElement.hidden = !experts.length;
    if (!experts.length) return;
    byId("slider").addEventListener("input", (event) => this.set(Number(event.target.value)));
    byId("sides").hidden = experts.length < 3;
    for (const side of ["left", "right"]) {
      byId(side).append(...experts.map(({ name }, index) => html("option", { value: index }, name)));
      byId(side).value = this.episode.experts[side];
      byId(side).addEventListener("change", (event) => {
        this.episode.experts[side] = Number(event.target.value);
        this.marks();
        this.set(this.episode.place);
      });
    }
    this.marks();
    const { used } = this.world;
    this.episode.place = used === this.expert("right") ? 1 : used === this.expert("left") ? -1 : 0;
    this.episode.steered();
  }

  /** The names under the slider, which set it. */
  marks() {
    const left = this.expert("left"), right = this.expert("right");
    const names = [`${left}+1`, left, "free", right, `${right}+1`];
    byId("marks").replaceChildren(...names.map((name, index) => {
      const short = Math.abs(index - END) === END ? "+1" : name; // what it is a contrast to stands above it
      const button = html("button", { "data-place": index - END, "aria-label": name }, short);
      button.addEventListener("click", () => this.set(index - END));
      return button;
    }));
    for (const side of ["left", "right"]) {
      const { colour } = this.world.experts[this.episode.experts[side]];
      document.documentElement.style.setProperty(`--${side}`, colour);
    }
  }

  set(place) {
    this.episode.place = place;
    this.episode.steered();
    this.change();
  }

  /** On to the next mark to the right, and from the last one to the first. */
  nextMark() {
    const next = Math.floor(this.episode.place) + 1;
    this.set(next > END ? -END : next);
  }

  /** How the gate is set, in words. */
  setting() {
    const { place } = this.episode, share = Math.abs(place), name = this.expert(place > 0 ? "right" : "left");
    if (share === 0) return "free: as the agent has learnt it";
    if (share < 1) return `${Math.round(100 * share)} % of the way from free to ${name}`;
    if (share === 1) return `forced to the ${name} expert`;
    return `${name}+${(share - 1).toFixed(2)}: a contrast, beyond what the ${name} expert does alone`;
  }

  oversight() {
    this.toggles = this.world.terminals.map(({ name }, index) => {
      const button = html("button", { "aria-pressed": false });
      button.addEventListener("click", () => {
        this.episode.toggle(index);
        this.change();
      });
      byId("watched").append(button);
      return { button, name };
    });
  }

  exact() {
    const row = (label, key, of) => {
      const cells = ["start", "here"].map((from) => numberCell(`${from}/${key}`));
      byId("exact").tBodies[0].append(html("tr", {}, html("th", { scope: "row" }, label), ...cells));
      return { cells, of };
    };
    this.rows = this.kinds.map(({ name, index }) => row(`P(${name})`, `p_${name}`, ({ ends }, at) => ends[index][at]));
    const reached = ({ ends }, at) => ends.reduce((sum, own) => sum + own[at], 0);
    this.rows.push(row("P(timeout)", "p_timeout", (solved, at) => Math.max(0, 1 - reached(solved, at))));
    this.rows.push(row("return", "return", ({ value }, at) => value[at]));
  }

  here() {
    this.bars = this.world.actions.map(({ name, glyph }) => {
      const bar = html("span", { class: "fill" }), cell = numberCell(`action/${name}`);
      const head = html("th", { scope: "row" }, html("span", { "aria-hidden": true }, glyph), ` ${name}`);
      const drawn = html("td", { class: "bar", "aria-hidden": true }, bar);
      byId("actions").tBodies[0].append(html("tr", {}, head, drawn, cell));
      return { bar, cell };
    });
    const cell = numberCell("gate/right");
    this.led = { cell, head: html("th", { scope: "row", colspan: 2 }) };
    if (this.world.experts.length) byId("actions").tBodies[0].append(html("tr", {}, this.led.head, cell));
  }

  counts() {
    const row = (name) => {
      const cells = ["watched", "unwatched"].map((how) => html("td", { "data-count": `${name}/${how}` }, "0"));
      byId("tallies").tBodies[0].append(html("tr", {}, html("th", { scope: "row" }, name), ...cells));
      return cells;
    };
    this.tallies = this.kinds.map(({ name, index }) => ({ cells: row(name), index }));
    this.timeouts = row("timeout");
    byId("forget").addEventListener("click", () => {
      this.episode.forget();
      this.change();
    });
  }

  render() {
    const { episode, world } = this, gated = world.experts.length > 0, here = episode.at(episode.agent);
    if (gated) {
      const setting = this.setting();
      byId("slider").value = episode.place;
      byId("slider").setAttribute("aria-valuetext", setting);
      byId("setting").textContent = setting;
      for (const mark of byId("marks").children) {
        mark.setAttribute("aria-pressed", Number(mark.dataset.place) === episode.place);
      }
      this.led.head.textContent = `weight of the ${this.expert("right")} expert`;
      setNumber(this.led.cell, here?.weights[episode.experts.right] ?? null);
    }
    this.toggles.forEach(({ button, name }, index) => {
      button.setAttribute("aria-pressed", episode.watched[index]);
      button.textContent = `${name} ${episode.watched[index] ? "watched" : "unwatched"}`;
    });
    const left = world.horizon - episode.steps, over = episode.ended !== null;
    for (const { cells, of } of this.rows) {
      setNumber(cells[0], of(episode.solved[world.horizon], episode.start));
      setNumber(cells[1], over ? null : of(episode.solved[left], episode.agent));
    }
    this.bars.forEach(({ bar, cell }, action) => {
      const chance = here && !over ? here.actions[action] : null;
      bar.style.setProperty("width", `${100 * (chance ?? 0)}%`);
      setNumber(cell, chance);
    });
    const { tallies } = episode;
    for (const { cells, index } of this.tallies) {
      cells[0].textContent = tallies.watched[index];
      cells[1].textContent = tallies.unwatched[index];
    }
    this.timeouts[0].textContent = "";
    this.timeouts[1].textContent = tallies.timeout;
    const sum = (counts) => counts.reduce((a, b) => a + b, 0), watched = sum(tallies.watched);
    const all = watched + sum(tallies.unwatched) + tallies.timeout;
    byId("labels").textContent = `The supervisor saw what was reached in ${watched} of ${all} episodes.`;
  }
}
