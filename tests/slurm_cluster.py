"""A SLURM cluster of one node, this machine, in a folder of its own, on the loopback address."""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
"""``cred_expire`` is also how long a job that was requeued has to wait, usually two minutes."""


def missing() -> list[str]:
    """The programs that a cluster needs and that are not installed."""
    return [program for program in PROGRAMS if not shutil.which(program, path=PATH)]


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _running(*words: object) -> Iterator[None]:
    """A server, for as long as it is needed."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*map(str, words)], env=os.environ | {"PATH": PATH}, **silent) as server:
        try:
            yield
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def ask(*words: str) -> str:
    """What a program of SLURM prints; it reads ``SLURM_CONF``."""
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """Start one; yields its ``slurm.conf``, for ``SLURM_CONF``."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key, conf = folder / "munge.key", folder / "slurm.conf"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    controller, node = _free_ports(2)
    host = socket.gethostname().partition(".")[0]
    values = {"host": host, "user": getpass.getuser(), "folder": folder, "controller": controller, "node": node}
    conf.write_text(CONFIG.format(**values))
    files = {"socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log", "seed-file": "munge.seed"}
    options = [f"--{option}={folder / name}" for option, name in files.items()]
    with ExitStack() as stack:
        stack.enter_context(_running("munged", "--foreground", "--force", f"--key-file={key}", *options))
        wait_until(lambda: (folder / "munge.socket").exists())
        stack.enter_context(_running("slurmctld", "-D", "-f", conf))
        stack.enter_context(_running("slurmd", "-D", "-f", conf))
        wait_until(lambda: _is_idle(conf))
        yield conf


def _is_idle(conf: Path) -> bool:
    environ = os.environ | {"SLURM_CONF": str(conf)}
    done = subprocess.run(["sinfo", "-h", "-o", "%T"], env=environ, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "idle"


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
