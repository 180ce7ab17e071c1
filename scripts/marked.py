"""Pages that are written by hand but for some parts, which scripts make: between ``<!-- NAME -->`` and its end."""

import re
from pathlib import Path

from oversight_gym.files import write_whole


def filled(text: str, parts: dict[str, str]) -> str:
    """A page with the parts put in, each between ``<!-- NAME -->`` and ``<!-- end of NAME -->``.

    Raises:
        ValueError: if the page has no such marks.
    """
    for name, part in parts.items():
        marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
        text, found = marks.subn(lambda mark, part=part: f"{mark[1]}\n{part.strip()}\n\n{mark[2]}", text)
        if not found:
            raise ValueError(f"the page has no mark <!-- {name} -->; add it where the part belongs.")
    return text


def fill(page: Path, parts: dict[str, str]) -> None:
    """Put the parts into a file, as :func:`filled`."""
    write_whole(page, filled(page.read_text(), parts))
