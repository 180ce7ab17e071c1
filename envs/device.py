"""The simulator on a torch device: it steps the episodes of a ``Core``, by the same tables, for one rollout."""

import numpy as np
import torch
from torch import Tensor

from oversight_gym.envs.core import Core
from oversight_gym.envs.errors import RequestError
from oversight_gym.envs.oversight.outcomes import arrivals
from oversight_gym.envs.oversight.supervision import Supervision
from oversight_gym.envs.world.state import State


class DeviceCore:
    """Takes over the episodes of a simulator, steps them on a device and hands them back.

    Fresh episodes are those that the simulator would have begun, so both give the same episodes under the same actions.
    The ground truth stays in the simulator; nothing here returns it.

    Args:
        core: the simulator, which must not be stepped until :meth:`hand_back`.
        device: the torch device.

    Attributes:
        steps: the number of steps taken in each episode, shape (num_envs,), int32.

    Raises:
        RequestError: if the world has chance or costs, or the view has no table of moving entries.
    """

    def __init__(self, core: Core, device: torch.device) -> None:
        if not core.config.is_plain:
            raise RequestError("this world cannot be stepped on a device; collect its rollouts on the CPU.")
        self.core, self.device = core, device
        config, world = core.config, core.config.world
        observed = world.observed_probability.argmax(axis=1).astype(np.int8)
        by = config.true_outcomes if config.reward_rule.uses_hidden else observed
        self._actions, self._kinds = len(world.actions), config.kind_of.tolist()
        self._next = self._table(world.next_state.ravel().astype(np.int64))
        self._square, self._moving = self._table(world.square.astype(np.int64)), self._table(self._entries())
        self._sees = self._table((world.sees > 0).astype(np.int8))
        self._reward, self._observed = self._table(config.reward_table[by]), self._table(observed)
        self._dynamic, self._terminals, self._overseen, self.steps = self._upload(core.state)
        self._seen = torch.tensor(core.observe().reshape(core.num_envs, -1), device=device)
        self._first = torch.arange(core.num_envs, device=device)[:, None] * self._seen.shape[1]

    def _table(self, array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> Tensor:
        return torch.as_tensor(np.array(array), device=self.device)

    def _entries(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
        moving = self.core.config.view_part.moving(self.core.config.world)
        assert moving is not None
        return moving.astype(np.int64)

    def _upload(self, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        arrays = (
            state.dynamic.astype(np.int64),
            state.terminals.astype(np.int64),
            state.overseen.astype(np.int8),
            state.steps,
        )
        dynamic, terminals, overseen, steps = (torch.tensor(array, device=self.device) for array in arrays)
        return dynamic, terminals, overseen, steps

    def observe(self) -> Tensor:
        """The observations, shape ``(num_envs, *shape)``; a copy."""
        return self._seen.clone().reshape(self.core.batch_shape)

    def step(self, actions: Tensor) -> Supervision[Tensor]:
        """Take one action in every episode; ``actions`` of shape (num_envs,), int64, are not checked."""
        visible = self._seen.view(-1)
        visible[self._first + self._moving[self._dynamic]] = 0
        self._dynamic = self._next[self._dynamic * self._actions + actions]
        visible[self._first + self._moving[self._dynamic]] = 1
        self.steps += 1
        without, watched = self._sees[self._dynamic].T
        seen = torch.where(self._overseen > 0, watched[:, None], without[:, None])
        arrived = arrivals(self._square[self._dynamic], self._terminals, seen, self._kinds).long()
        terminated = arrived > 0
        truncated = (self.steps >= self.core.config.step_limit) & ~terminated
        return Supervision(self._reward[arrived], terminated, truncated, self._observed[arrived])

    def restart(self, indices: Tensor) -> None:
        """Begin fresh episodes at these indices, shape (m,), ascending."""
        if not len(indices):
            return
        state, seen = self.core.fresh.take(len(indices))
        self.core.state.assign(indices.cpu().numpy(), state)
        uploaded = self._upload(state)
        for mine, fresh in zip((self._dynamic, self._terminals, self._overseen, self.steps), uploaded, strict=True):
            mine[indices] = fresh
        self._seen[indices] = torch.tensor(seen, device=self.device)

    def hand_back(self) -> None:
        """Return the episodes to the simulator."""
        self.core.resume(self._dynamic.cpu().numpy(), self.steps.cpu().numpy())
