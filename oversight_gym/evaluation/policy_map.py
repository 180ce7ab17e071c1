"""The numbers of a policy map: the policy's actions on every square of one layout, and the ends to which they lead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from oversight_gym.agents.policies.policy import GatedMixturePolicy
from oversight_gym.agents.policies.steering import Gate
from oversight_gym.agents.routing.mixture import weigh
from oversight_gym.envs import EnvConfig, RequestError
from oversight_gym.envs.errors import choose
from oversight_gym.envs.oversight.processes import pattern_names
from oversight_gym.evaluation.situations import Block


@dataclass(frozen=True)
class PolicyMap:
    """A policy at one gate, on every square of a grid as at the start of an episode; NaN where no episode continues.

    Attributes:
        gate: the weights of the experts, shape (squares, experts).
        actions: the action probabilities, shape (squares, actions).
        ends: the exact probability that the episode ends on each kind of terminal, shape (squares, kinds).
    """

    gate: NDArray[np.float64]
    actions: NDArray[np.float64]
    ends: NDArray[np.float64]


def _ends(block: Block, actions: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability of each end, computed backwards over the steps of an episode; shape (states, kinds)."""
    chain, kinds = block.chain, len(block.config.kinds)
    standing = np.stack([block.at(kind)[:, 0] for kind in range(kinds)], axis=1)
    chance = standing.astype(np.float64)
    for _ in range(block.config.step_limit):
        ahead = np.einsum("sa,sab,sabk->sk", actions, chain.probability, chance[chain.next])
        before, chance = chance, np.where(standing.any(axis=1, keepdims=True), standing, ahead)
        if np.array_equal(before, chance):
            break
    return chance


def gate_and_actions(
    policy: GatedMixturePolicy, observations: NDArray[np.generic], gate: Gate
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights of the experts (n, experts) and the action probabilities (n, actions) at a gate."""
    obs, _ = policy.obs_to_tensor(observations)
    assert isinstance(obs, torch.Tensor)
    with torch.no_grad(), policy.steer(gate):
        actions = policy.log_probs(obs).exp().double().cpu().numpy()
        free = policy.mixture.gate_weights(policy.policy_features(obs))
        weights = weigh(free, policy.mixture.forced_gate).double().cpu().numpy()
    return weights, actions


def policy_maps(
    policy: GatedMixturePolicy, block: Block, gates: Sequence[Gate], pattern: str = "none"
) -> list[PolicyMap]:
    """The map of a policy on one placement of the terminals, for each gate.

    Args:
        policy: the policy.
        block: a block of one placement.
        gates: gates as for ``policy.steer``.
        pattern: the terminals under oversight, one of ``pattern_names``.

    Raises:
        RequestError: for a gate or a pattern that does not exist.
    """
    names = pattern_names(block.config.terminals)
    choose("pattern", pattern, dict.fromkeys(names))
    observations = block.observations_in(names.index(pattern))
    grid, found = block.config.grid, []
    squares = grid.free[~np.isin(grid.free, block.terminals)]
    states = block.chain.start[squares]
    for gate in gates:
        weights, probabilities = gate_and_actions(policy, observations, gate)
        ends = _ends(block, probabilities / probabilities.sum(axis=1, keepdims=True))
        layers = []
        for layer in (weights, probabilities, ends):
            everywhere = np.full((grid.squares, *layer.shape[1:]), np.nan)
            everywhere[squares] = layer[states]
            layers.append(everywhere)
        found.append(PolicyMap(*layers))
    return found


def default_terminals(config: EnvConfig) -> NDArray[np.int16]:
    """The terminals spread along the diagonal of the grid, shape (1, terminals)."""
    grid, terminals = config.grid, len(config.terminals)
    free = np.setdiff1d(grid.free, list(config.world.signs.values())).astype(np.int16)
    rows, cols = np.divmod(free, grid.cols)
    squares = np.zeros((1, terminals), dtype=np.int16)
    for column in range(terminals):
        share = (column + 0.5) / terminals
        distance = np.abs(rows - share * (grid.rows - 1)) + np.abs(cols - share * (grid.cols - 1))
        distance[np.isin(free, squares[0, :column])] = np.inf
        squares[0, column] = free[distance.argmin()]
    return squares


def terminals_at(config: EnvConfig, places: Mapping[str, tuple[int, int]]) -> NDArray[np.int16]:
    """Terminals at (row, column) by name, the others as in the default layout; shape (1, terminals).

    Raises:
        RequestError: if there is no such terminal, a position is not free, or two are the same.
    """
    squares = default_terminals(config)
    for name, position in places.items():
        choose("the terminal", name, dict.fromkeys(config.terminals))
        squares[0, config.terminals.index(name)] = config.grid.square(name, position)
    for index, name in enumerate(config.terminals):
        for other in range(index):
            if squares[0, other] == squares[0, index]:
                where = config.grid.position(squares[0, index])
                raise RequestError(
                    f"{config.terminals[other]} and {name} are both at {where}; give `{config.terminals[other]}` and "
                    f"`{name}` distinct squares."
                )
    return squares
