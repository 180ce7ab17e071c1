"""Every named world: environment steps per second, and how long an exact evaluation of a policy takes."""

from environment import batched
from timing import rate, seconds, table

from oversight_gym.envs import OversightVecEnv
from oversight_gym.envs.worlds import WORLDS
from oversight_gym.evaluation.figures import evaluate
from oversight_gym.evaluation.situations import states
from oversight_gym.runs.build import make_policy
from oversight_gym.runs.config import TrainConfig

BATCH, STEPS = 512, 200
DEFAULT = "Paper"


def main() -> None:
    rows = []
    reference = 0.0
    for name in sorted(WORLDS, key=lambda name: name != DEFAULT):
        run = TrainConfig.of(world=name, oversight=0.1)
        env = OversightVecEnv(BATCH, seed=0, **run.env.to_json())
        found = batched(env, BATCH, STEPS, actions=env.action_space.n)
        reference = reference or found
        policy = make_policy(run)
        took = seconds(lambda policy=policy, run=run: evaluate(policy, run.env, ("free",)), repeats=1)
        rows.append([name, rate(found), f"{found / reference:.2f}", f"{states(run.env):,}", f"{took:.2f} s"])
    header = ["world", "steps/s", f"beside {DEFAULT}", "states", "evaluation of one policy"]
    table(f"Named worlds, {BATCH} side by side, random actions", header, rows)


if __name__ == "__main__":
    main()
