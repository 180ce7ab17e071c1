"""``OversightGrid-v0`` as a native Gymnasium vector environment."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.core import Core, check_num_envs, hidden_info
from oversight_gym.envs.drawing.render import BATCH_MODES, FPS, TILE, Renderer
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.world.state import set_state


class OversightGridVectorEnv(VectorEnv[NDArray[np.int8], NDArray[np.int64], NDArray[Any]]):
    """Many episodes in one batch of arrays; see ``OversightGridEnv`` for the environment itself.

    Autoreset is next-step, Gymnasium's default: the step after an episode's end ignores the action and returns the
    first observation of the next episode with reward 0. ``info["observed_outcome"]`` and ``info["hidden"]`` are arrays
    with the usual ``_`` masks, present where an episode ended.

    With ``num_envs=1`` and the same seed it makes the same draws as ``OversightGridEnv``.
    """

    metadata = {
        "render_modes": list(BATCH_MODES),
        "render_fps": FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(self, num_envs: int = 1, render_mode: str | None = None, tile_size: int = TILE, **config: Any) -> None:
        self.config = EnvConfig.from_json(config)
        self.num_envs = check_num_envs(self.config, num_envs)
        self.render_mode = render_mode
        self._renderer = Renderer(self.config, render_mode, tile_size, BATCH_MODES)
        self.single_observation_space = self.config.observation_space
        self.single_action_space = spaces.Discrete(len(self.config.world.actions))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._core: Core | None = None
        self._ended = np.zeros(num_envs, dtype=bool)

    @property
    def core(self) -> Core:
        """The simulator.

        Raises:
            RequestError: before the first reset.
        """
        if self._core is None:
            raise RequestError("the environment has not been reset; call reset() first.")
        return self._core

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.int8], dict[str, Any]]:
        """Begin fresh episodes; a layout in ``options`` (see ``set_state``) is used in all of them.

        Refused options change nothing.
        """
        placed = set_state(self.config, options) if options else None
        super().reset(seed=seed)
        if self._core is None:
            self._core = Core(self.config, self.num_envs, self.np_random)
        else:
            self._core.start(None if seed is None else self.np_random)
        if placed is not None:
            for index in range(self.num_envs):
                self._core.place(index, placed)
        self._ended = np.zeros(self.num_envs, dtype=bool)
        return self._core.observe(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int8], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Move every agent once, or begin the next episode where the last step ended one.

        Args:
            actions: shape (num_envs,), integers.

        Returns:
            observations ``(num_envs, *shape)``, rewards (num_envs,) float32, terminated and
            truncated (num_envs,) bool, infos.
        """
        core, fresh = self.core, self._ended
        if fresh.all():  # no move, so no draw for one: a single environment is followed draw for draw
            core.restart(np.flatnonzero(fresh))
            self._ended = nobody = np.zeros(self.num_envs, dtype=bool)
            return core.observe(), np.zeros(self.num_envs, dtype=np.float32), nobody, nobody.copy(), {}
        seen, outcome = core.step(actions, fresh)
        core.restart(np.flatnonzero(fresh))
        terminated, truncated = seen.terminated & ~fresh, seen.truncated & ~fresh
        reward = np.where(fresh, np.float32(0), seen.reward)
        self._ended = ended = terminated | truncated
        info: dict[str, Any] = {}
        if ended.any():
            hidden = hidden_info(self.config, np.where(ended, outcome, np.int8(0)))
            info = {"observed_outcome": np.where(ended, seen.observed, np.int8(0)), "_observed_outcome": ended}
            info |= {"hidden": hidden | {f"_{key}": ended for key in hidden}, "_hidden": ended}
        return core.observe(), reward, terminated, truncated, info

    def render(self) -> Any:
        """One rendering of each environment, as a tuple."""
        if self.render_mode is None:
            gym.logger.warn("render() was called without a render_mode; choose one in make_vec(..., render_mode=...).")
            return None
        return tuple(self._renderer.render(self.core.state, index) for index in range(self.num_envs))
