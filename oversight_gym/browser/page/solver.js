// How an episode ends from every square, exactly: backwards over the steps that are left.

/**
 * @param world the page's facts.
 * @param terminals the square of each terminal.
 * @param actionsOn gives the action probabilities on a square; undefined where no episode goes on.
 * @returns by steps left, from 0 on: `ends`, the chance of each kind by square, and `value`, the discounted return.
 */
function solve(world, terminals, actionsOn) {
  const squares = world.rows * world.cols, kinds = world.kinds.length;
  const kindAt = new Map(terminals.map((square, index) => [square, world.terminals[index].kind]));
  const blank = () => ({
    ends: Array.from({ length: kinds }, () => new Float64Array(squares)), value: new Float64Array(squares),
  });
  const solved = [blank()], actions = new Map(world.free.map((square) => [square, actionsOn(square) ?? []]));
  for (let left = 1; left <= world.horizon; left++) {
    const later = solved[left - 1], now = blank();
    for (const square of world.free) {
      actions.get(square).forEach((chance, action) => world.next[square][action].forEach((target, branch) => {
        const mass = chance * world.probability[square][action][branch];
        if (kindAt.has(target)) {
          now.ends[kindAt.get(target)][square] += mass;
          now.value[square] += mass * world.kinds[kindAt.get(target)].value;
        } else {
          for (let kind = 0; kind < kinds; kind++) now.ends[kind][square] += mass * later.ends[kind][target];
          now.value[square] += mass * world.gamma * later.value[target];
        }
      }));
    }
    solved.push(now);
  }
  return solved;
}
