"""Runs commands on folders full of malicious pickles, and dies if anything is unpickled; a program of its own.

    python tests/hostile.py FOLDER

FOLDER holds ``run``, a finished run, and ``unfinished``, one with a checkpoint. Prints a line of JSON: ``beside``, the
status of every command on a folder whose own files are as they were; ``replaced``, status and sentence of every command
that reads a file which is a pickle now.
"""

import io
import json
import os
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import torch
from conftest import command

BESIDE = (
    "model.pth",
    "policy.pkl",
    "model.zip",
    "data.pkl",
    "config.pkl",
    "weights/step=000000000000.pth",
    "__init__.py",
)


class Malice:
    """Its pickle leaves a file behind when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def pickles(trace: Path) -> dict[str, bytes]:
    """The same malice as a plain pickle, as torch saves it, and as an archive of stable-baselines3."""
    plain = pickle.dumps(Malice(trace))
    by_torch, by_sb3 = io.BytesIO(), io.BytesIO()
    torch.save(Malice(trace), by_torch)
    with zipfile.ZipFile(by_sb3, "w") as archive:
        archive.writestr("data", json.dumps({"policy_class": {":type:": "x", ":serialized:": plain.hex()}}))
        archive.writestr("policy.pth", by_torch.getvalue())
    return {"pickle": plain, "torch": by_torch.getvalue(), "sb3": by_sb3.getvalue()}


def commands(folder: Path, out: Path) -> dict[str, list[object]]:
    """Every command that reads a run."""
    return {
        "evaluate": ["evaluate", folder],
        "steer": ["steer", folder, "--out", out, "--points", 2],
        "map": ["map", folder, "--out", out],
        "map --training": ["map", folder, "--out", out, "--training"],
        "watch": ["watch", folder, "--sheet", out / "sheet.png"],
        "export": ["export", folder, "--html", out / "agent.html"],
        "verify": ["verify", folder, "--no-repeat"],
        "compare": ["compare", folder.parent, "--out", out],
        "train --from": ["train", "--from", folder, "--run-dir", out / "again", "--overwrite"],
    }


def resume(folder: Path) -> list[object]:
    return ["train", "--from", folder, "--run-dir", folder, "--resume"]


def main(scratch: Path) -> None:
    trace, out = scratch / "trace", scratch / "out"
    out.mkdir()
    kinds = pickles(trace)

    def refuse(event: str, _: object) -> None:
        if event == "pickle.find_class":
            print("something was unpickled", file=sys.stderr, flush=True)
            os._exit(66)

    sys.addaudithook(refuse)
    beside, found = {}, {}
    whole = scratch / "beside" / "run"
    shutil.copytree(scratch / "run", whole)
    for name in BESIDE:
        (whole / name).write_bytes(kinds["torch"])
    for name, words in commands(whole, out).items():
        beside[name] = command(*words).returncode
    for name, readers in READS.items():
        folder = "unfinished" if readers == ["resume"] else "run"
        for kind, content in list(kinds.items())[:2]:
            broken = scratch / "broken" / f"{name} {kind}".replace("/", " ") / "run"
            shutil.copytree(scratch / folder, broken)
            (broken / name).write_bytes(content)
            tried = {"resume": resume(broken)} if folder == "unfinished" else commands(broken, out)
            done = {key: command(*words) for key, words in tried.items() if key in readers}
            found[f"{name} {kind}"] = {key: [end.returncode, end.stderr] for key, end in done.items()}
    print(json.dumps({"beside": beside, "replaced": found, "trace": trace.exists()}))


READERS = ["evaluate", "steer", "map", "watch", "export", "verify", "compare", "train --from"]
READS = {
    "config.json": READERS,
    "finished.json": READERS,
    "model.safetensors": ["evaluate", "steer", "map", "watch", "export", "verify"],
    "evaluations.csv": ["verify", "compare"],
    "weights/step=000000000000.safetensors": ["map --training"],
    "checkpoint.safetensors": ["resume"],
}
"""Which commands read a file."""

if __name__ == "__main__":
    main(Path(sys.argv[1]))
