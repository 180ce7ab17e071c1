"""The time of the exact evaluation beside that of its matrix products."""

import torch
from timing import matrix_rate, seconds, table

from oversight_gym.envs import EnvConfig
from oversight_gym.evaluation.figures import ceilings, evaluate
from oversight_gym.evaluation.situations import states
from oversight_gym.runs.build import make_policy
from oversight_gym.runs.config import TrainConfig


def main() -> None:
    config = EnvConfig()
    rows = []
    for width, gate in ((128, (128, 128, 128)), (256, (256,))):
        policy = make_policy(TrainConfig.of(layers=(width, width), gate_layers=gate))
        took = seconds(lambda policy=policy: evaluate(policy, config, ("free", "diamond", "ghost")))
        actor = (*policy.mixture.experts.parameters(), *policy.mixture.gate.parameters())
        products = 2 * states(config) * sum(p.numel() for p in actor if p.ndim == 2) / matrix_rate(width=width)
        rows.append([f"width {width}, gate {gate}", f"{took:.2f} s", f"{took / products:.1f}x"])
    took = seconds(lambda: ceilings(config))
    rows.append(["the four reference policies", f"{took:.2f} s", ""])
    table("Exact evaluation, 3 gates x 4 patterns", ["policy", "time", "beside its dense matrix products"], rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
