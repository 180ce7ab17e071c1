"""Every method on equal footing: writes docs/methods_table.md.

    python scripts/methods_table.py [--workers 2]

Core methods with ten seeds at four oversight levels, and some of them at two more where labels are scarce; the others
with five at two; all at the preset fast. Rows of single runs are kept in docs/results/methods.csv: stop it when you
like, the same command goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import tyro
from stored_runs import CHOSEN, LABELS, RunsConfig, complete, regret, returns

from oversight_gym.agents.methods.builtin import METHODS
from oversight_gym.analysis.markdown import markdown
from oversight_gym.analysis.results import Result, provenance
from oversight_gym.analysis.statistics import FEWEST, improvement, summarise, with_interval
from oversight_gym.runs.config import TrainConfig

CORE = (
    "routing",
    "classified_routing",
    "no_routing",
    "no_gate",
    "naive",
    "filtering",
    "masked_oversight",
    "reward_model_masked",
    "oracle",
)
LEVELS, FEW_LEVELS = (0.01, 0.03, 0.1, 0.3), (0.03, 0.1)
"""In the order in which they are trained."""
SCARCE_LEVELS = (0.001, 0.003)
SCARCE = ("routing", "classified_routing", "naive", "filtering", "masked_oversight", "reward_model_masked")
"""The levels at which hardly anything is watched, and the core methods that are trained there, too."""
SEEDS, FEW_SEEDS = 10, 5
PAGE = """# Every method, tuned alike

Preset `fast`, {steps:,} steps, each method at the gate it is used with, by what it assumes. *Nobody looks*: in the
pattern without oversight, the return from the start with its 95 % interval over seeds
([sweeps.md](sweeps.md#intervals)) and P(ghost). *Contrasted*: the return at the gate that the supervisor chooses by
{labels:,} observed kinds among the plain gate and contrasts, and how much the best of them would have added (see
[evaluation.md](evaluation.md)). *Mixed*: the stepwise return with oversight at the training probability. Labels:
observed kinds consumed in training.

{made}

    python scripts/methods_table.py

{tables}

## Routing less the others

Differences of the return from the start when nobody looks, seed by seed: *plain*, each method at the gate it is used
with; *contrasted*, at its chosen gate where it has one. *P(better)* is the probability that a run of routing does
better than one of the other method, whatever their seeds. There are {comparisons} comparisons; one 95 % interval in
twenty misses.

{differences}
"""
RIVALS = ("no_routing", "naive", "filtering", "masked_oversight", "classified_routing")
"""The methods that routing is compared with."""
HEADINGS = (
    "method",
    "oversight",
    "seeds",
    "return, nobody looks",
    "P(ghost)",
    "contrasted",
    "regret",
    "mixed",
    "labels",
)


@dataclass(frozen=True)
class TableConfig:
    """Train every method and write the table."""

    results: Path = Path("docs/results/methods.csv")
    """Rows of single runs."""
    out: Path = Path("docs/methods_table.md")
    """The table."""
    levels: tuple[float, ...] = LEVELS
    """Oversight levels of the core methods."""
    seeds: int = SEEDS
    """Seeds of the core methods: 0 to this minus one."""
    how: RunsConfig = field(default_factory=RunsConfig)


def row(results: list[Result]) -> list[str]:
    """One line of a table, from the runs of one method and level."""
    config = results[0].config
    chosen = f"{CHOSEN}/none/return_start"
    steered = [result for result in results if chosen in result.counted]
    return [
        f"`{config.method}`",
        f"{100 * config.oversight:g}%",
        str(len(results)),
        str(summarise([result.figure("none/return_start") for result in results])),
        f"{mean(result.figure('none/p_ghost') for result in results):.3f}",
        str(summarise([result.counted[chosen] for result in steered])) if steered else "",
        f"{mean(map(regret, steered)):.3f}" if steered else "",
        f"{mean(result.figure('return_stepwise') for result in results):+.3f}",
        f"{mean(result.labels_used for result in results):,.0f}",
    ]


def differences(results: Sequence[Result], levels: Sequence[float]) -> list[list[str]]:
    """Routing less each rival, and the chosen gate less the plain one, where there are enough seeds for an interval."""
    lines = []
    for level in levels:
        pairs = [("routing", contrasted, rival, contrasted) for contrasted in (False, True) for rival in RIVALS]
        for mine, high, theirs, low in [*pairs, ("routing", True, "routing", False)]:
            one, other = returns(results, mine, level, high), returns(results, theirs, level, low)
            seeds = sorted(one.keys() & other.keys())
            if len(seeds) < FEWEST:
                continue
            better = improvement(list(one.values()), list(other.values()))
            name = f"`{theirs}`" + (", plain" if high and not low else "")
            cells = [f"{level:.0%}", "contrasted" if high else "plain", name, str(len(seeds))]
            gaps = summarise([one[seed] - other[seed] for seed in seeds])
            lines.append([*cells, str(gaps), with_interval(better.probability, better.low, better.high, ".2f")])
    return lines


def asked_for(config: TableConfig) -> list[tuple[str, float, int]]:
    """Method, level and number of seeds of every line."""
    levels = {method: (*SCARCE_LEVELS, *config.levels) if method in SCARCE else config.levels for method in CORE}
    asked = [(method, level, config.seeds) for method in CORE for level in levels[method]]
    others = (name for name in METHODS if name not in CORE)
    return asked + [(method, level, FEW_SEEDS) for method in others for level in FEW_LEVELS]


def main() -> None:
    config = tyro.cli(tyro.conf.OmitArgPrefixes[TableConfig])
    asked = asked_for(config)
    # A level at a time and seed by seed, so that a table which is broken off is even.
    wanted = [
        TrainConfig.of(method=method, oversight=level, seed=seed)
        for now in (*config.levels, *SCARCE_LEVELS)
        for seed in range(config.seeds)
        for method, level, seeds in asked
        if level == now and seed < seeds
    ]
    results = complete(config.results, wanted, config.how)
    tables = []
    for assumptions in dict.fromkeys(METHODS[method].assumptions for method, _, _ in asked):
        groups = [
            [result for result in results if (result.config.method, result.config.oversight) == (method, level)]
            for method, level, _ in asked
            if METHODS[method].assumptions == assumptions
        ]
        table = markdown(HEADINGS, (row(group) for group in groups if group)).rstrip()
        tables.append(f"## Assuming {' and that '.join(assumptions) or 'nothing more'}\n\n{table}")
    steps = results[0].config.hyper.total_timesteps
    done = f"{len(results)} of {len(wanted)} runs are done so far; a line of a single seed says little."
    done = done if len(results) < len(wanted) else ""
    compared = differences(results, config.levels)
    table = markdown(("oversight", "routing", "less", "seeds", "difference", "P(better)"), compared).rstrip()
    text = PAGE.format(
        steps=steps,
        labels=LABELS,
        made=f"{provenance(results)} {done}".strip(),
        tables="\n\n".join(tables),
        comparisons=len(compared),
        differences=table,
    )
    config.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
