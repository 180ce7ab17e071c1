"""A sweep on a Ray cluster of two nodes gives the local executor's results, also when one of the nodes dies."""

import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TINY, command, process, tiny
from test_sweep import assert_same_results

from oversight_gym.cli.sweeping import run_sweep
from oversight_gym.sweeps.sweep import sweep

ray = pytest.importorskip("ray")
Cluster = pytest.importorskip("ray.cluster_utils").Cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Two nodes of one CPU each, this process connected to the first."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_two_nodes_share_a_sweep(
    cluster: Cluster, undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.add_node(num_cpus=1)
    kept = (*TINY, "keep_weights=true")
    assert run_sweep(tiny(tmp_path / "out", executor="ray", address="auto", storage="collect", set=kept)) == []
    nodes = re.findall(r"finished on (\S+ \(\w{6}\))", capsys.readouterr().out)
    assert len(nodes) == 4
    assert len(set(nodes)) == 2
    assert_same_results(tmp_path / "out", undisturbed)
    assert len(list((tmp_path / "out").rglob("weights/*.safetensors"))) == 4 * 5


@pytest.mark.slow
def test_a_node_that_dies_mid_sweep_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    doomed = cluster.add_node(num_cpus=1)
    some = {"oversight": (0.3,), "seeds": 2, "methods": ("routing",), "set": ("total_timesteps=60000", *TINY[1:])}
    out, failed = tmp_path / "out", []
    config = tiny(out, executor="ray", address="auto", **some)
    driver = threading.Thread(target=lambda: failed.extend(sweep(config)), daemon=True)
    driver.start()
    while len(list(out.rglob("checkpoint.safetensors"))) < 2:  # a run on either node
        assert driver.is_alive()
        time.sleep(0.02)
    cluster.remove_node(doomed, allow_graceful=False)
    driver.join(timeout=200)
    assert not driver.is_alive()
    assert failed == []
    assert sweep(tiny(tmp_path / "local", **some)) == []
    assert_same_results(out, tmp_path / "local")


def test_workers_know_the_methods_of_a_plugin(tmp_path: Path) -> None:
    plugin, out = tmp_path / "timid.py", tmp_path / "out"
    plugin.write_text(
        "from oversight_gym.agents import Method, register\n"
        "register(Method('timid', 'as naive', reward='naive', experts=('agent',), gate='free'))\n"
    )
    words = ["--executor", "ray", "--workers", 1, "--methods", "timid", "--oversight", 0.3, "--seeds", 1, "--out", out]
    done = process("sweep", "--plugin", plugin, *words, "--set", *TINY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "oversight=0.30" / "timid" / "seed=0" / "finished.json").exists()


def test_without_the_extra_a_sentence_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    done = command("sweep", "--out", tmp_path, "--executor", "ray")
    assert done.returncode == 2
    assert "pip install 'oversight-gym[ray]'" in done.stderr
    assert done.stderr.count("\n") == 1
