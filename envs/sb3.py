"""``OversightGrid-v0`` as a native stable-baselines3 ``VecEnv``."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvObs, VecEnvStepReturn

from oversight_gym.envs.config import EnvConfig
from oversight_gym.envs.core import Core
from oversight_gym.envs.drawing.render import BATCH_MODES, TILE, Renderer
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.infos import StepInfos
from oversight_gym.envs.world.state import set_state


class OversightVecEnv(VecEnv):
    """Many episodes in one batch of arrays; see ``OversightGridEnv`` for the environment itself.

    Episodes restart within the same step, as SB3 expects: the observation returned with ``done`` is the first of the
    next episode, and the last one is ``info["terminal_observation"]``. An info is filled only where an episode ended,
    and only when it is read (see ``StepInfos``): ``observed_outcome``, ``TimeLimit.truncated``,
    ``terminal_observation``, ``episode`` (as SB3's ``Monitor`` writes it: ``r`` sum of training rewards, ``l`` steps)
    and, unless ``reveal_hidden`` is off, ``hidden``.

    Args:
        num_envs: the number of environments.
        seed: the seed of the environment's generator; ``seed()`` replaces it at the next reset.
        reveal_hidden: whether infos hold the ground truth; training runs turn it off.
        render_mode: None, ``ansi`` or ``rgb_array``.
        tile_size: the number of pixels per square of a picture.
        **config: fields of ``EnvConfig``.

    Raises:
        RequestError: if a setting is impossible.
    """

    def __init__(
        self,
        num_envs: int,
        seed: int | None = None,
        reveal_hidden: bool = True,
        render_mode: str | None = None,
        tile_size: int = TILE,
        **config: Any,
    ) -> None:
        self.config = EnvConfig.from_json(config)
        self.render_mode = render_mode
        self._renderer = Renderer(self.config, render_mode, tile_size, BATCH_MODES)
        self.reveal_hidden = reveal_hidden
        self.core = Core(self.config, num_envs, seeding.np_random(seed)[0])
        self._actions = np.zeros(num_envs, dtype=np.int64)
        self.episode_returns = np.zeros(num_envs, dtype=np.float32)
        self._fresh = True
        actions = spaces.Discrete(len(self.config.world.actions))
        super().__init__(num_envs, self.config.observation_space, actions)

    @property
    def outcomes(self) -> type[IntEnum]:
        """The enumeration of outcomes that an episode can be observed to have."""
        outcomes: type[IntEnum] = self.config.outcomes
        return outcomes

    def reset(self) -> VecEnvObs:
        asked = self._options
        self._reset_options()
        placed = [set_state(self.config, options) if options else None for options in asked]
        seed = self._seeds[0]
        if seed is not None or not self._fresh:  # the constructor has drawn the first episodes already
            self.core.start(seeding.np_random(seed)[0] if seed is not None else None)
        for index, state in enumerate(placed):
            if state is not None:
                self.core.place(index, state)
        self._fresh = False
        self.episode_returns[:] = 0
        self._reset_seeds()
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return self.core.observe()

    def snapshot(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that determines how training continues here: arrays by name, and plain JSON."""
        arrays, position = self.core.snapshot()
        return arrays | {"episode_returns": self.episode_returns}, position

    def restore(self, arrays: dict[str, NDArray[Any]], position: dict[str, Any]) -> VecEnvObs:
        """Continue from :meth:`snapshot`, in an environment of the same settings, and return the observations."""
        self.core.restore({name: array for name, array in arrays.items() if name != "episode_returns"}, position)
        self.episode_returns[:] = arrays["episode_returns"]
        self._fresh = False
        return self.core.observe()

    def step_async(self, actions: NDArray[np.int64]) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        core = self.core
        seen, outcome = core.step(self._actions)
        self.episode_returns += seen.reward
        done = seen.terminated | seen.truncated
        ended = np.flatnonzero(done)
        infos = StepInfos(
            self.config,
            done,
            seen.observed,
            seen.truncated,
            self.episode_returns.copy(),
            core.state.steps.copy(),
            core.observe_some(ended),
            outcome if self.reveal_hidden else None,
        )
        self.episode_returns[ended] = 0
        core.restart(ended)
        return core.observe(), seen.reward, done, infos  # type: ignore[return-value]  # a sequence, as SubprocVecEnv's

    def close(self) -> None:
        """Do nothing; there is nothing to release."""

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        return [self._renderer.array(self.core.state, index) for index in range(self.num_envs)]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute, once for each environment; all of them share it."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        raise RequestError(f"set_attr({attr_name!r}) is not possible: the environments share one set of arrays.")

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        if method_name == "render":
            state = self.core.state
            return [self._renderer.render(state, index) for index in self._get_indices(indices)]
        raise RequestError(f"env_method({method_name!r}) is not possible: the environments share one set of arrays.")

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """Whether ``Monitor`` is the wrapper in question: its report of returns and lengths is built in."""
        from stable_baselines3.common.monitor import Monitor

        return [issubclass(Monitor, wrapper_class)] * len(list(self._get_indices(indices)))
