"""Checks after every update that training can continue: numbers are finite, the folder is there, and no signal has
come."""

import math
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from stable_baselines3.common.callbacks import BaseCallback

from oversight_gym.agents.ppo.routed_ppo import RoutedPPO
from oversight_gym.envs import RequestError
from oversight_gym.runs.config import TrainConfig
from oversight_gym.runs.contents import CONFIG
from oversight_gym.runs.stopping import Interrupted, RunFailed


def not_finite(model: RoutedPPO) -> dict[str, str]:
    """The last logged losses and the parameters that are NaN or infinite, as text by name."""
    logged = model.logger.name_to_value.items()
    losses = {name: value for name, value in logged if name == "train/loss" or name.endswith("_loss")}
    found = {name: str(value) for name, value in losses.items() if not math.isfinite(value)}
    for name, tensor in model.policy.named_parameters():
        if wrong := int((~tensor.isfinite()).sum()):
            found[name] = f"not finite in {wrong} of {tensor.numel()} places"
    return found


@torch.no_grad()
def _outputs_not_finite(model: RoutedPPO) -> dict[str, str]:
    """The outputs of the policy that are not finite although its parameters are."""
    log_probs = model.policy.log_probs(torch.as_tensor(model._last_obs, device=model.device))  # type: ignore[operator]
    wrong = int(log_probs.isnan().sum())
    return {"log-probability": f"nan in {wrong} of {log_probs.numel()} places"} if wrong else {}


class Guard(BaseCallback):
    """Ends training before a rollout if it cannot continue.

    Args:
        folder: the run folder.
        held: a function that says whether it is still the folder in which the run began.
    """

    model: RoutedPPO

    def __init__(self, folder: Path, held: Callable[[], bool]) -> None:
        super().__init__()
        self.folder, self.held = folder, held

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.check()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Check again at the end of the training within the block, and whenever it breaks off.

        Raises:
            RunFailed: if a loss, a parameter or the policy's output is not finite.
            RequestError: if the folder has gone.
        """
        try:
            yield
        except (RunFailed, RequestError, OSError):
            raise
        except Exception as error:
            self.check(error)
            raise
        self.check()

    def check(self, raised: Exception | None = None) -> None:
        """Check the model after an update; ``raised`` is the exception that ended it, if any. Errors are those of
        :meth:`watching`."""
        values = not_finite(self.model) or (_outputs_not_finite(self.model) if raised else {})
        if values:
            name, value = next(iter(values.items()))
            more = f" and {len(values) - 1} more" if len(values) > 1 else ""
            reason = f"training diverged by step {self.model.num_timesteps:,}: {name} is {value}{more}"
            raise RunFailed(self.folder, reason, values) from None
        if not self.held():
            raise RequestError(f"{self.folder} was deleted or replaced while it was trained into; train the run again.")


class Stop(BaseCallback):
    """Writes a checkpoint and ends training before a rollout, once a signal has asked for it.

    Args:
        config: the run's config.
        asked: a function that gives the signal, None if there was none.
        leave: a function that writes a checkpoint.
    """

    def __init__(self, config: TrainConfig, asked: Callable[[], int | None], leave: Callable[[], None]) -> None:
        super().__init__()
        self.config, self.asked, self.leave = config, asked, leave

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        number = self.asked()
        if number is None:
            return
        self.leave()
        step, steps = self.num_timesteps, self.config.hyper.total_timesteps
        raise Interrupted(number, f"stopped at step {step:,} of {steps:,}; go on with: {going_on(self.config)}")


def going_on(config: TrainConfig) -> str:
    """The command that resumes an unfinished run."""
    plugins = [word for name in config.plugin for word in ("--plugin", name)]
    folder = str(config.folder)
    words = ["--from", str(config.folder / CONFIG), "--run-dir", folder, "--resume"]
    return shlex.join(["oversight-gym", "train", *plugins, *words])
