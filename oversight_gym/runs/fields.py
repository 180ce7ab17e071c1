"""Values that come in as JSON, TOML or text, checked against the fields of a dataclass by msgspec."""

import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_type_hints

from oversight_gym.envs.errors import RequestError
from oversight_gym.files import plain


def field_types(config: type) -> dict[str, Any]:
    """The type of every field of a dataclass, by name."""
    return get_type_hints(config)


def check_known(name: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that is not among those known.

    Raises:
        RequestError: naming the nearest one that is.
    """
    known = list(known)
    if name not in known:
        (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise RequestError(f"{name!r} is not {what}; the nearest is {nearest!r}.")


def typed(name: str, value: Any, kind: Any) -> Any:
    """A value of plain JSON as the type that a field has: lists become tuples, text becomes a path.

    Args:
        name: of the field, for the message.
        value: plain JSON, numbers of numpy or what the type is already.
        kind: the field's type.

    Raises:
        RequestError: if it is of another type.
    """
    return _converted(name, plain(value), kind, strict=True)


def typed_text(name: str, text: str, kind: Any) -> Any:
    """A word of a command line as the type that a field has; arguments and errors as :func:`typed`.

    JSON is taken as such, other text as the field wants it: ``False`` for a boolean, ``none`` for what may be missing.
    """
    try:
        value = json.loads(text)
    except ValueError:
        missing = text.lower() == "none" and kind is not str
        return _converted(name, None if missing else text, kind, strict=False)
    return _converted(name, value, kind, strict=True)


def _path(kind: type, value: Any) -> Any:
    """Paths are the one type of a field that msgspec does not know."""
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise TypeError("Expected `str`, got something else")


_WORDS = {
    "float": "a number",
    "int": "an integer",
    "bool": "true or false",
    "str": "text",
    "array": "a list",
    "object": "a table",
}


def _converted(name: str, value: Any, kind: Any, strict: bool) -> Any:
    """The one place where an error of msgspec becomes a sentence."""
    import msgspec  # not for --help

    try:
        return msgspec.convert(value, kind, strict=strict, dec_hook=_path)
    except msgspec.ValidationError as error:
        choices = "one of " + ", ".join(map(str, get_args(kind)))
        found = re.fullmatch(r"Expected `(.*?)`(.*?), got .*?(?: - at `\$(.*)`)?", str(error))
        wanted, length, where = found.groups() if found else (choices, "", None)
        words = " or ".join(_WORDS.get(word, word) for word in wanted.replace("null", "none").split(" | "))
        at = f" at {where}" if where else ""
        raise RequestError(f"{name} is {value!r}; give {words}{length}{at}.") from None
