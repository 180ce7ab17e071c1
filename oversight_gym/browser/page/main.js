// The page: one episode, what shows it, and the buttons and keys that drive it.

const world = JSON.parse(byId("facts").textContent);
const episode = new Episode(world, new Policy(world));
let timer = null;

function render(told) {
  board.render();
  panel.render();
  byId("run-pause").textContent = timer === null ? "Run" : "Pause";
  byId("status").textContent = told ?? ending() ?? `Step ${episode.steps} of ${world.horizon}.`;
}

/** How the episode ended, in truth and for the supervisor; null while it goes on. */
function ending() {
  const { ended } = episode;
  if (ended === null) return null;
  if (ended === "timeout") return `Out of time after ${episode.steps} steps.`;
  const seen = episode.watched[ended] ? "saw that" : "saw only that a terminal square was reached";
  const steps = `${episode.steps} ${episode.steps === 1 ? "step" : "steps"}`;
  return `Reached the ${world.terminals[ended].name} in ${steps}; the supervisor ${seen}.`;
}

const board = new Board(byId("board"), episode, render);
const panel = new Panel(episode, () => render());

function step() {
  if (episode.ended === null) episode.step();
  else episode.draw();
  render();
}

/** Whole episodes on layouts of their own, at once; the board then shows the last one. */
function many() {
  for (let count = 0; count < 100; count++) {
    episode.draw();
    while (episode.step() === null);
  }
  render();
}

function pause() {
  clearTimeout(timer);
  timer = null;
}

function run() {
  const next = () => {
    step();
    timer = setTimeout(next, (episode.ended === null ? 1000 : 2500) / Number(byId("speed").value));
  };
  next();
  render();
}

const ACTS = {
  "run-pause": () => (timer === null ? run() : (pause(), render())),
  step: () => (pause(), step()),
  again: () => (pause(), episode.again(), render()),
  new: () => (pause(), episode.draw(), render()),
  many: () => (pause(), many()),
};
for (const [id, act] of Object.entries(ACTS)) byId(id).addEventListener("click", act);
for (const id of ["arrows", "colours"]) {
  byId(id).addEventListener("change", (event) => byId("board").classList.toggle(`no-${id}`, !event.target.checked));
}

const KEYS = { " ": "run-pause", n: "step", r: "again", l: "new" };

/** What a key does; undefined if nothing. */
function actOf(key) {
  if (KEYS[key]) return ACTS[KEYS[key]];
  if (key === "g" && world.experts.length) return () => panel.nextMark();
  if (world.terminals[Number(key) - 1]) return () => board.toggle(Number(key) - 1);
  return undefined;
}

document.addEventListener("keydown", (event) => {
  const own = event.key === " " ? "button, input, select, summary, [role=button]" : "select"; // what takes the key itself
  const act = actOf(event.key.toLowerCase());
  if (!act || event.target.closest(own) || event.ctrlKey || event.altKey || event.metaKey) return;
  act();
  event.preventDefault();
});

byId("run").textContent = world.title;
byId("about").textContent = [
  `The agent walks until it reaches a terminal square, for at most ${world.horizon} steps.`,
  "In training its supervisor saw which kind it had reached only where there was an eye,",
  `which each terminal had with probability ${world.oversight}; nobody looked at the others.`,
  ...(world.experts.length ? [
    `It has ${world.experts.length} experts (${world.experts.map(({ name }) => name).join(", ")})`,
    "and a gate that mixes them. Free, the gate does what it has learnt; forced to an expert, the agent does what that expert has learnt; a",
    "contrast takes off what the others would do.",
  ] : []),
].join(" ");
render();
