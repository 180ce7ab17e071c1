"""Times everything that people wait for, beside a reference timed in the same run: ``python scripts/bench [SECTION
...]``.

Without names every section runs except ``result``, which trains ten times and takes about a quarter of an hour.
``python scripts/bench against PATH-OF-PYTHON [NAME ...]`` compares with another version (``against.py``).
"""

import sys

import against
import environment
import evaluating
import growth
import processes
import result
import timing
import torch
import training
import worlds

SECTIONS = {
    "environment": environment.main,
    "worlds": worlds.main,
    "training": training.main,
    "evaluation": evaluating.main,
    "processes": processes.main,
    "growth": growth.main,
    "result": result.main,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["against"]:
        sys.exit(against.main(*sys.argv[2:]) if sys.argv[2:] else "give the path of the other version's python.")
    names = sys.argv[1:] or [name for name in SECTIONS if name != "result"]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.exit(f"{unknown[0]!r} is no section; choose from {', '.join(SECTIONS)}.")
    torch.set_num_threads(1)
    timing.describe()
    for name in names:
        SECTIONS[name]()
