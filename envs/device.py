"""The simulator on a torch device: the tables of ``core`` with the episodes of a ``Core``, for as long as a rollout."""

import numpy as np
import torch
from torch import Tensor

from oversight_gym.envs.core import Core, Supervision
from oversight_gym.envs.oversight.outcomes import OBSERVED, arrivals
from oversight_gym.envs.world.grid import ACTIONS
from oversight_gym.envs.world.state import State


class DeviceCore:
    """Takes over the episodes of a simulator, steps them on a device and hands them back.

    Fresh episodes are those that the simulator would have begun, so it and this give the same episodes under the
    same actions. The ground truth stays behind: nothing here returns it.

    Args:
        core: the simulator; not to be stepped until :meth:`hand_back`.
        device: where to.

    Attributes:
        steps: steps taken in each episode, shape (num_envs,), int32.
    """

    def __init__(self, core: Core, device: torch.device) -> None:
        self.core, self.device = core, device
        config, grid = core.config, core.config.grid
        self._next_square = torch.as_tensor(grid.next_square.ravel().astype(np.int64), device=device)
        self._reward = torch.as_tensor(config.reward_rule.by_arrival, device=device)
        self._observed = torch.as_tensor(OBSERVED, device=device)
        self._agent, self._terminals, self._overseen, self.steps = self._upload(core.state)
        self._planes = torch.tensor(core.observe().reshape(core.num_envs, -1), device=device)
        self._first = torch.arange(core.num_envs, device=device) * self._planes.shape[1]

    def _upload(self, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        arrays = (
            state.agent.astype(np.int64),
            state.terminals.astype(np.int64),
            state.overseen.astype(np.int8),
            state.steps,
        )
        agent, terminals, overseen, steps = (torch.tensor(array, device=self.device) for array in arrays)
        return agent, terminals, overseen, steps

    def observe(self) -> Tensor:
        """The observations, shape (num_envs, planes, rows, cols), int8; a copy."""
        return self._planes.clone().reshape(self.core.num_envs, *self.core.batch_shape[1:])

    def step(self, actions: Tensor) -> Supervision[Tensor]:
        """Move every agent once; ``actions`` of shape (num_envs,), int64, are not checked."""
        visible = self._planes.view(-1)
        visible[self._first + self._agent] = 0
        self._agent = self._next_square[self._agent * len(ACTIONS) + actions]
        visible[self._first + self._agent] = 1
        self.steps += 1
        arrived = arrivals(self._agent, self._terminals, self._overseen).long()
        terminated = arrived > 0
        truncated = (self.steps >= self.core.config.step_limit) & ~terminated
        return Supervision(self._reward[arrived], terminated, truncated, self._observed[arrived])

    def restart(self, indices: Tensor) -> None:
        """Begin fresh episodes at these indices, shape (m,), ascending."""
        if not len(indices):
            return
        state, planes = self.core.fresh.take(len(indices))
        self.core.state.assign(indices.cpu().numpy(), state)
        self._agent[indices], self._terminals[indices], self._overseen[indices], self.steps[indices] = self._upload(
            state
        )
        self._planes[indices] = torch.tensor(planes, device=self.device)

    def hand_back(self) -> None:
        """Let the simulator go on from here."""
        self.core.resume(*(tensor.cpu().numpy() for tensor in (self._agent, self.steps, self._planes)))
