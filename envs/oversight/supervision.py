"""What training may know of a step."""

from typing import Generic, NamedTuple, TypeVar

Array = TypeVar("Array")


class Supervision(NamedTuple, Generic[Array]):
    """What training may know of one step of ``n`` episodes, and all it may know; every field has shape (n,).

    Arrays of numpy from ``Core``, tensors from ``DeviceCore``.

    Attributes:
        reward: training reward, float32.
        terminated: a terminal square was reached, bool.
        truncated: the time limit was reached instead, bool.
        observed: the supervisor's view, int8 outcomes: ``NONE`` while no terminal square is reached.
    """

    reward: Array
    terminated: Array
    truncated: Array
    observed: Array
