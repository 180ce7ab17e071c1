"""What training may know of a step."""

from typing import Generic, NamedTuple, TypeVar

Array = TypeVar("Array")


class Supervision(NamedTuple, Generic[Array]):
    """Everything that training may know of one step of ``n`` episodes; every field has shape (n,).

    The fields are numpy arrays from ``Core`` and tensors from ``DeviceCore``.

    Attributes:
        reward: training reward, float32.
        terminated: whether a terminal square was reached, bool.
        truncated: whether the time limit was reached instead, bool.
        observed: the supervisor's view, int8 outcomes: ``NONE`` while no terminal square is reached.
    """

    reward: Array
    terminated: Array
    truncated: Array
    observed: Array
