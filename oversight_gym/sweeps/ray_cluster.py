"""Runs as tasks of a Ray cluster (Ray Core), one CPU each."""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from oversight_gym.envs import RequestError
from oversight_gym.files import write_whole
from oversight_gym.runs.contents import FAILED, FINISHED
from oversight_gym.sweeps.local import Attempt, Job
from oversight_gym.sweeps.worker import run_in_process

RETRIES = 10
"""The number of times that a run is started again if its node dies."""


class _Returned(NamedTuple):
    succeeded: bool
    node: str
    log: str
    files: dict[str, bytes]


def _node_name() -> str:
    """The host of a task, with the beginning of Ray's node id, because one host may have several nodes."""
    import ray

    return f"{socket.gethostname()} ({ray.get_runtime_context().get_node_id()[:6]})"


def _remote_run(config: dict[str, Any], collect: bool) -> _Returned:

    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        if collect:
            config |= {"run_dir": str(Path(scratch, "run"))}
        succeeded = run_in_process(config, log)
        run = Path(scratch, "run")
        paths = [path for path in run.rglob("*") if path.is_file()] if collect else []
        files = {str(path.relative_to(run)): path.read_bytes() for path in paths}
        return _Returned(succeeded, _node_name(), log.read_text(), files)


def _write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files of a run folder, the completion record last."""
    for name in sorted(files, key=lambda name: name == FINISHED):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, files[name])


def _reach(address: str | None) -> None:
    """Fail at once if nothing listens at an address, because Ray itself tries for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""An environment variable that is read when Ray is imported: a cluster of one machine then listens only on the loopback
address, on Linux as well."""


def connect(address: str | None, workers: int) -> int:
    """Join a cluster, or start one of ``workers`` CPUs on this machine; returns its number of CPUs.

    A cluster that is started here listens only on the loopback address.

    Raises:
        RequestError: if Ray is not installed or the cluster is not found.
    """
    if not address:
        os.environ.update(LOOPBACK)
    try:
        import ray
    except ImportError:
        raise RequestError(
            "the Ray executor needs the extra 'ray'; install it with: pip install 'oversight-gym[ray]'"
        ) from None
    if not ray.is_initialized():
        try:
            _reach(address)
            own: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise RequestError(
                f"no Ray cluster was found at address {address!r} ({reason}); start one with 'ray start'."
            ) from None
    return int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]


def run_on_ray(jobs: list[Job], storage: str, gpus: float) -> Iterator[Attempt]:
    """Train all jobs on the cluster, and yield each attempt as it ends. A run whose node dies is started again
    elsewhere.

    Args:
        jobs: the jobs to train.
        storage: ``shared``: nodes write to the run folders themselves, and resume each other's checkpoints;
            ``collect``: they send finished folders back.
        gpus: the share of a GPU per run.
    """
    import ray

    task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(_remote_run)
    pending = {}
    for job in jobs:
        config = job.config.written_to(job.config.folder.resolve()).to_json()
        pending[task.remote(config, storage == "collect")] = job
    try:
        while pending:
            for ready in ray.wait(list(pending))[0]:
                job = pending.pop(ready)
                yield _take(job, ready)
    finally:
        for unfinished in pending:
            ray.cancel(unfinished, force=True)


def _take(job: Job, ready: Any) -> Attempt:
    import ray

    try:
        returned: _Returned = ray.get(ready)
        job.log.parent.mkdir(parents=True, exist_ok=True)
        job.log.write_text(returned.log)
        if returned.succeeded or FAILED in returned.files:
            _write_files(job.config.folder, returned.files)
    except (ray.exceptions.RayError, OSError) as error:
        return Attempt(job, False, reason=str(error))
    return Attempt(job, returned.succeeded, returned.node)
