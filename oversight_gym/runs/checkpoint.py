"""Checkpoints: everything that determines how a run continues. A resumed run ends bit for bit like an undisturbed one.

A checkpoint is one safetensors file of arrays with JSON and a digest in its header, written atomically. Nothing is
pickled.
"""

import hashlib
import json
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs import RequestError
from oversight_gym.envs.sb3 import OversightVecEnv
from oversight_gym.files import plain, write_whole
from oversight_gym.runs.contents import read_ordinary

Arrays = dict[str, NDArray[Any]]
_WRONG = (LookupError, ValueError, TypeError, AttributeError, RuntimeError)
"""The exceptions that malformed data can raise, including the recursion error of deeply nested JSON."""


def _parameters(model: RoutedPPO) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
    """The name of each parameter, the parameter and its state in the optimizer."""
    state = model.policy.optimizer.state
    for name, parameter in model.policy.named_parameters():
        yield name, parameter, state[parameter]


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def write_checkpoint(path: Path, model: RoutedPPO, extra: dict[str, Any], best: dict[str, Tensor]) -> None:
    """Write the state of training, between two rollouts.

    Args:
        path: the file.
        model: an algorithm on an ``OversightVecEnv``.
        extra: plain JSON to keep with it.
        best: weights to keep with it.
    """
    from safetensors.numpy import save

    env = model.env
    assert isinstance(env, OversightVecEnv)
    episodes, position = env.snapshot()
    arrays: Arrays = {f"env/{name}": array for name, array in episodes.items()}
    for prefix, weights in (("policy", model.policy.state_dict()), ("best", best)):
        arrays |= {f"{prefix}/{name}": tensor.cpu().numpy() for name, tensor in weights.items()}
    for name, _, state in _parameters(model):
        arrays |= {f"optimizer/{name}/{key}": tensor.cpu().numpy() for key, tensor in state.items()}
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the generator that SB3 shuffles minibatches with
    arrays |= {"random/numpy": np.asarray(keys), "random/torch": torch.get_rng_state().numpy()}
    if model.device.type == "cuda":
        arrays["random/cuda"] = torch.cuda.get_rng_state(model.device).numpy()
    arrays |= {"episode_starts": model._last_episode_starts, "episodes_observed": model.episodes_observed}  # type: ignore[dict-item]
    positions: dict[str, Any] = {}
    for name, memory in model.memory.items():
        remembered, positions[name] = memory.snapshot()
        arrays |= {f"memory/{name}/{key}": array for key, array in remembered.items()}
    progress = {
        "num_timesteps": model.num_timesteps,
        "updates": model._n_updates,
        "episodes": list(model.ep_info_buffer or ()),
        "logs": {key: plain(value) for key, value in model.logger.name_to_value.items()},
        "logs_excluded": dict(model.logger.name_to_excluded),
        "numpy_generator": [kind, *rest],
        "env": position,
        "progress": model.progress,
        "memory": positions,
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {"progress": json.dumps(progress), "extra": json.dumps(extra)}
    write_whole(path, save(arrays, header | {"digest": _digest(arrays, header)}))


def _digest(arrays: Arrays, header: dict[str, str]) -> str:
    """SHA-256 of everything in a checkpoint."""
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it was read.

    Attributes:
        path: its file.
        arrays: the arrays.
        progress: the progress of training, as JSON.
        extra: the JSON that was kept with it.
    """

    path: Path
    arrays: Arrays
    progress: dict[str, Any]
    extra: dict[str, Any]

    @property
    def best(self) -> dict[str, Tensor]:
        """The weights kept with it."""
        return {name: torch.from_numpy(array) for name, array in _below(self.arrays, "best/").items()}


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        RequestError: if the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = read_ordinary(path.parent, path.name)
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        arrays = {name: array.copy() for name, array in load(content).items()}  # what load gives is read-only
        if header.pop("digest") != _digest(arrays, header):
            raise ValueError("its content is not what was written")
        return Checkpoint(path, arrays, json.loads(header["progress"]), json.loads(header["extra"]))
    except (OSError, SafetensorError, struct.error, *_WRONG) as error:
        raise _broken(path, error) from None


def restore(checkpoint: Checkpoint, model: RoutedPPO) -> None:
    """Restore the state of training in a fresh model of the same config; continue with ``learn(...,
    reset_num_timesteps=False)``.

    Raises:
        RequestError: if the checkpoint belongs to another config.
    """
    arrays, progress = checkpoint.arrays, checkpoint.progress
    env = model.env
    assert isinstance(env, OversightVecEnv)
    try:
        model.policy.load_state_dict({name: torch.from_numpy(a) for name, a in _below(arrays, "policy/").items()})
        for name, parameter, state in _parameters(model):
            stored = _below(arrays, f"optimizer/{name}/")
            state.update({key: torch.from_numpy(array).to(parameter.device) for key, array in stored.items()})
        model._last_obs = env.restore(_below(arrays, "env/"), progress["env"])  # type: ignore[assignment]
        model._last_episode_starts = arrays["episode_starts"]
        model.episodes_observed = arrays["episodes_observed"]
        kind, *rest = progress["numpy_generator"]
        np.random.set_state((kind, arrays["random/numpy"], *rest))  # noqa: NPY002
        torch.set_rng_state(torch.from_numpy(arrays["random/torch"]))
        model.progress = progress["progress"]
        for name, memory in model.memory.items():
            memory.restore(_below(arrays, f"memory/{name}/"), progress["memory"][name])
        if "random/cuda" in arrays:
            torch.cuda.set_rng_state(torch.from_numpy(arrays["random/cuda"]), model.device)
        model.num_timesteps, model._n_updates = progress["num_timesteps"], progress["updates"]
        model.ep_info_buffer = deque(progress["episodes"], maxlen=model._stats_window_size)
        model.ep_success_buffer = deque(maxlen=model._stats_window_size)
        model.logger.name_to_value.update(progress["logs"])
        model.logger.name_to_excluded.update(progress["logs_excluded"])
    except _WRONG as error:
        raise _broken(checkpoint.path, error) from None


def _broken(path: Path, error: Exception) -> RequestError:
    why = str(error).splitlines()[0] if str(error) else type(error).__name__
    return RequestError(f"{path} is broken ({why}); set `overwrite` to train from the start.")
