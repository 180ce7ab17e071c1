"""A checkpoint: everything that decides how a run goes on; a resumed run ends bit for bit as an undisturbed one.

One safetensors file of arrays with JSON in its header, written whole; nothing in it is pickled.
"""

import json
from collections import deque
from collections.abc import Iterator
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

CHECKPOINT = "checkpoint.safetensors"

Arrays = dict[str, NDArray[Any]]


def _parameters(model: RoutedPPO) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
    """Name, parameter and the optimizer's state of it."""
    state = model.policy.optimizer.state
    for name, parameter in model.policy.named_parameters():
        yield name, parameter, state[parameter]


def _below(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def write_checkpoint(path: Path, model: RoutedPPO, extra: dict[str, Any]) -> None:
    """Write where training stands, between two rollouts.

    Args:
        path: the file.
        model: an algorithm on an ``OversightVecEnv``.
        extra: plain JSON to keep with it.
    """
    from safetensors.numpy import save

    env = model.env
    assert isinstance(env, OversightVecEnv)
    episodes, position = env.snapshot()
    arrays: Arrays = {f"env/{name}": array for name, array in episodes.items()}
    arrays |= {f"policy/{name}": tensor.cpu().numpy() for name, tensor in model.policy.state_dict().items()}
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
    header = {"progress": json.dumps(progress), "extra": json.dumps(extra)}
    write_whole(path, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, header))


def read_extra(path: Path) -> dict[str, Any]:
    """What was kept beside the model.

    Raises:
        RequestError: if the file is broken.
    """
    extra: dict[str, Any] = json.loads(_open(path)[1]["extra"])
    return extra


def restore_checkpoint(path: Path, model: RoutedPPO) -> None:
    """Put a fresh model of the same config where training stood; go on with ``learn(..., reset_num_timesteps=False)``.

    Raises:
        RequestError: if the file is broken or of another config.
    """
    arrays, header = _open(path)
    progress = json.loads(header["progress"])
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
    except (KeyError, ValueError, RuntimeError) as error:
        raise _broken(path, error) from None
    model.num_timesteps, model._n_updates = progress["num_timesteps"], progress["updates"]
    model.ep_info_buffer = deque(progress["episodes"], maxlen=model._stats_window_size)
    model.ep_success_buffer = deque(maxlen=model._stats_window_size)
    model.logger.name_to_value.update(progress["logs"])
    model.logger.name_to_excluded.update(progress["logs_excluded"])


def _open(path: Path) -> tuple[Arrays, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _broken(path, error) from None


def _broken(path: Path, error: Exception) -> RequestError:
    return RequestError(f"{path} is broken ({str(error).splitlines()[0]}); delete it to train from the start.")
