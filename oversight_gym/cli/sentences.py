"""Turns any error about a command line into one sentence: the library's own, with flags for its arguments, or
tyro's."""

import io
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import is_dataclass
from difflib import get_close_matches
from itertools import groupby
from typing import Annotated, Any, TypeVar, get_args, get_origin

import tyro

from oversight_gym.envs import RequestError
from oversight_gym.envs.fields import field_types, wanted

Parsed = TypeVar("Parsed")


def arguments_of(options: type) -> dict[str, Any]:
    """The type of every argument of a command, by name, including the fields of a config within it."""
    found: dict[str, Any] = {}
    for name, kind in field_types(options).items():
        bare: Any = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        found |= arguments_of(bare) if isinstance(bare, type) and is_dataclass(bare) else {name.strip("_"): kind}
    return found


def is_list(kind: Any) -> bool:
    """Whether an argument takes any number of words; arguments that are appended take one word each time."""
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_args(bare)[-1:] == (...,) and "UseAppendAction" not in repr(kind)


def written(options: type) -> dict[str, str]:
    """Every argument of a command, and its form on the command line: ``--run-dir`` for ``run_dir``, RUN for ``run``."""
    return {
        name: name.upper()
        if tyro.conf.Positional in getattr(kind, "__metadata__", ())
        else f"--{name.replace('_', '-')}"
        for name, kind in arguments_of(options).items()
    }


def in_one_sentence(parse: Callable[[], Parsed], options: type) -> Parsed:
    """Call tyro, and raise a request error instead of the box that it prints.

    Args:
        parse: the call.
        options: the class with the command line's options.

    Raises:
        RequestError: with the library's own sentence where a config's check refused, else with tyro's words.
    """
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            parsed = parse()
    except SystemExit as end:
        if not end.code:
            raise
        raise RequestError(_own(end) or _sentence(said.getvalue(), options)) from None
    sys.stderr.write(said.getvalue())
    return parsed


def _own(error: BaseException | None) -> str | None:
    """The sentence of a request error that tyro caught."""
    while error is not None:
        if isinstance(error, RequestError):
            return str(error)
        error = error.__cause__ or error.__context__
    return None


_SAID = (
    (r"Missing value for argument '(\S+)'. Expected 1 values.", r"\1 has no value; give it one."),
    (r"Missing value for argument '(\S+)'. Expected (\d+) values.", r"\1 has too few values; give it \2."),
    (r"Missing from (\S+) (\S+): (\S+) .*", r"\2 lacks its argument \3; \1 \2 --help explains it."),
    (r"invalid choice (.+) for argument '(\S+)'. Expected one of \((.+)\).", r"\2 is \1; choose one of \3."),
)
"""Messages of tyro, and the sentences that replace them."""


def _sentence(box: str, options: type) -> str:
    """The first paragraph of tyro's box, which is drawn in ASCII if the terminal supports nothing else."""
    bare = re.sub(r"\x1b\[[0-9;]*m", "", box)
    lines = [line.strip("│ ") for line in bare.splitlines()[1:]]  # the first holds the title
    ruled = groupby(lines, key=lambda line: set(line) <= set("─-╰╯"))
    text = next((" ".join(paragraph) for is_rule, paragraph in ruled if not is_rule), "")
    flags = {flag: name for name, flag in written(options).items() if flag.startswith("-")}
    if unknown := re.match(r"Unrecognized options: ([^,]+)", text):
        word = unknown[1]
        if word.startswith("-"):
            (nearest,) = get_close_matches(word, flags, n=1, cutoff=0.0)
            return f"{word} is no option here; the nearest is {nearest}."
        return f"{word!r} is one word too many; leave it out."
    if (wrong := re.match(r"Error parsing (\S+): .*?(['\"].*['\"])", text)) and wrong[1] in flags:
        return f"{wrong[1]} is {wrong[2]}; give {wanted(arguments_of(options)[flags[wrong[1]]])}."
    for pattern, sentence in _SAID:
        if re.fullmatch(pattern, text):
            return re.sub(pattern, sentence, text)
    return text
