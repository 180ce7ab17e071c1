"""What listens listens on the loopback address, and nothing that is read is run."""

import ast
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oversight_gym.runs.folder import Run

ROOT = Path(__file__).parents[1]
FORBIDDEN = {"eval", "exec", "__import__", "os.system", "os.popen", "asyncio.create_subprocess_shell", "pty.spawn"}

CLUSTER = """
import time
from oversight_gym.sweeps.ray_cluster import connect
connect(None, 1)
import ray

def waits():
    time.sleep(60)

ray.get(ray.remote(waits).remote())
"""


def sources() -> list[Path]:
    return [path for name in ("oversight_gym", "agents", "envs", "scripts") for path in (ROOT / name).rglob("*.py")]


def test_no_text_is_run_as_code_or_by_a_shell() -> None:
    assert len(sources()) > 100
    found = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                shell = any(word.arg == "shell" for word in node.keywords)
                if shell or ast.unparse(node.func) in FORBIDDEN:
                    found.append(f"{path}:{node.lineno}")
    assert found == []


def descendants(process: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield process
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            if int(stat.read_text().rpartition(")")[2].split()[1]) == process:
                yield from descendants(int(stat.parent.name))


def sockets() -> dict[str, str]:
    """The local address, in hexadecimal, of each listening socket by its name in a process's files."""
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]": row[1].partition(":")[0] for row in rows if row[3] == "0A"}


def listening(process: int) -> set[tuple[str, str]]:
    """Name and address of whatever a process and its descendants listen at."""
    known, found = sockets(), set()
    for number in descendants(process):
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{number}/comm").read_text().strip().rstrip("0123456789.")  # python3.11 is python
            for file in Path(f"/proc/{number}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if (address := known.get(os.readlink(file))) is not None:
                        found.add((name, address))
    return found


def is_loopback(address: str) -> bool:
    """127.x.x.x, ::1, or the former written as the latter; the words of an address are in the machine's byte order."""
    return (address.endswith("7F") and set(address[:-8]) <= set("0F")) or address == "00000000000000000000000001000000"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's list of sockets")
@pytest.mark.parametrize("program", ["ray", "tensorboard"])
def test_servers_listen_on_the_loopback_address_alone(program: str, small_run: Run) -> None:
    if program == "ray":
        pytest.importorskip("ray")
        words, expected = ["-c", CLUSTER], {"gcs_server", "raylet", "ray::waits"}
    else:
        words, expected = ["-m", "oversight_gym", "tensorboard", str(small_run.folder), "--port", "6017"], {"python"}
    found: set[tuple[str, str]] = set()
    deadline = time.monotonic() + 120
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not expected <= {name for name, _ in found} and time.monotonic() < deadline:
            found |= listening(process.pid)
            time.sleep(0.05)
        process.terminate()
    assert expected <= {name for name, _ in found}
    assert [each for each in found if not is_loopback(each[1])] == []
