"""The fields of a config, checked against their annotations by msgspec: one definition for JSON, TOML, text and Python.

A field's annotation states its type and bounds in full, for example ``Annotated[int, Meta(ge=1, le=256)]``.
"""

import difflib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from oversight_gym.envs.errors import RequestError, shown

LARGEST = sys.float_info.max
"""Used as a bound, it rejects infinity. NaN fails every bound."""

Probability = Annotated[float, Meta(ge=0, le=1)]
Finite = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
NotNegative = Annotated[float, Meta(ge=0, le=LARGEST)]
Positive = Annotated[float, Meta(gt=0, le=LARGEST)]
Count = Annotated[int, Meta(ge=1, le=10**12)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]
"""stable-baselines3 seeds numpy's older generators, which take no larger seed."""
Threads = Annotated[int, Meta(ge=1, le=256)]


def field_types(config: type) -> dict[str, Any]:
    """The type of every field of a dataclass, by name, with its bounds; empty for other classes."""
    return _field_types(config)


def _look_up(config: Any) -> dict[str, Any]:
    names = getattr(config, "__dataclass_fields__", ())
    return {name: kind for name, kind in get_type_hints(config, include_extras=True).items() if name in names}


_field_types: Callable[[Any], dict[str, Any]] = cache(_look_up)


class Checked:
    """Base of configs: dataclasses whose values are checked when they are built.

    Raises:
        RequestError: naming the field, its value and what is allowed.
    """

    def __post_init__(self) -> None:
        for name, kind in field_types(type(self)).items():
            object.__setattr__(self, name, typed(name, getattr(self, name), kind))


def check_known(name: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that is not among those known.

    Raises:
        RequestError: with the nearest known name.
    """
    known = list(known)
    if name not in known:
        (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise RequestError(f"{shown(name)} is not {what}; the nearest is {nearest!r}.")


def typed(name: str, value: Any, kind: Any) -> Any:
    """Convert a value to a field's type: lists become tuples, text becomes a path, and numpy's numbers become Python's.

    Args:
        name: the field's name, for the message.
        value: plain JSON, a number of numpy, or a value of the type itself.
        kind: the field's type.

    Raises:
        RequestError: if it is of another type, or out of bounds.
    """
    return _converted(name, value, kind, strict=True)


def typed_text(name: str, text: str, kind: Any) -> Any:
    """Convert a word of a command line to a field's type; arguments and errors are those of :func:`typed`.

    JSON is parsed as JSON. Other text is read as the field requires: ``False`` for a boolean, ``none`` for an optional
    value.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        missing = text.lower() == "none" and kind is not str
        return _converted(name, None if missing else text, kind, strict=False)
    return _converted(name, value, kind, strict=True)


def _converted(name: str, value: Any, kind: Any, strict: bool) -> Any:
    """The one place where an error of msgspec becomes a sentence."""
    bare: Any = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if isinstance(bare, type) and is_dataclass(bare) and isinstance(value, bare):
        return value
    try:
        return msgspec.convert(_plain(value), kind, strict=strict, dec_hook=_path)
    except (msgspec.ValidationError, RecursionError, UnicodeEncodeError):
        raise RequestError(f"{name} is {shown(value)}; give {wanted(kind)}.") from None


def _plain(value: Any) -> Any:
    """A value as plain JSON. Text that is not UTF-8 is refused, because it cannot be written to a file or terminal."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str | Path):
        str(value).encode()
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 else value


def _path(kind: type, value: Any) -> Any:
    """Convert text to a path, the only field type that msgspec does not know."""
    if kind is not Path or not isinstance(value, str | Path):
        raise TypeError
    return Path(value)


_NOUNS = {
    float: "a number",
    int: "an integer",
    bool: "true or false",
    str: "text",
    Path: "a path in UTF-8",
    type(None): "none",
}


def wanted(kind: Any) -> str:
    """The values of a type in words, for example ``an integer from 1 to 256``."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _bounded(wanted(args[0]), [each for each in args[1:] if isinstance(each, Meta)])
    if origin in (Union, UnionType):
        return " or ".join(map(wanted, args))
    if origin is Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin is tuple:
        count = "a list" if args[-1] is ... else f"{len(args)} values"
        return f"{count}, each {wanted(args[0])}"
    return _NOUNS.get(kind, "a table")


def _bounded(noun: str, metas: list[Meta]) -> str:
    for meta in metas:
        low, high = meta.gt if meta.ge is None else meta.ge, meta.le
        if high == LARGEST:
            noun, high = noun.replace("a ", "a finite "), None
            low = None if low == -LARGEST else low
        if meta.min_length is not None or meta.max_length is not None:
            fewest, most = meta.min_length or 0, "more" if meta.max_length is None else meta.max_length
            noun = noun.replace("a list", f"a list of {fewest} {'or' if most == 'more' else 'to'} {most}", 1)
        if low is not None and high is not None:
            noun += f" above {low:,} and at most {high:,}" if meta.ge is None else f" from {low:,} to {high:,}"
        elif low is not None:
            noun += f" above {low:,}" if meta.ge is None else f" of at least {low:,}"
    return noun
