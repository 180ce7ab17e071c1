"""The one exception that a person's request can cause, and the checks that raise it."""

from collections.abc import Mapping
from numbers import Real
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex, TypeVar

Value = TypeVar("Value")


class RequestError(ValueError):
    """A request that cannot be met. The message is one sentence that names the value and what would work."""


def shown(value: Any) -> str:
    """A value as text for a message, shortened if it is long."""
    try:
        text = repr(str(value) if isinstance(value, Path) else value)
    except (ValueError, RecursionError):  # Python writes no integer of more than 4,300 digits
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."


def check_probability(name: str, value: object) -> float:
    """Return ``value`` as a float in [0, 1].

    Raises:
        RequestError: if it is not a number in [0, 1].
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 <= float(value) <= 1.0:
        raise RequestError(f"{name} is {shown(value)}; it must be a probability between 0 and 1, for example 0.1.")
    return float(value)


def check_integer(name: str, value: object, at_least: int, at_most: int = 10**12) -> int:
    """Return ``value`` as an int in these bounds.

    Raises:
        RequestError: if it is not such an integer.
    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex) or not at_least <= index(value) <= at_most:
        most = f" and at most {at_most:,}" if at_most < 10**12 else ""
        raise RequestError(f"{name} is {shown(value)}; it must be an integer of at least {at_least}{most}.")
    return index(value)


def choose(what: str, name: str, table: Mapping[str, Value]) -> Value:
    """The entry called ``name``.

    Raises:
        RequestError: if there is none; the message lists the entries.
    """
    if not isinstance(name, str) or name not in table:
        raise RequestError(f"{what} is {shown(name)}; choose one of {', '.join(table)}.")
    return table[name]
