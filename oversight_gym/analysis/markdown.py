"""Tables as Markdown."""

from collections.abc import Iterable, Sequence


def markdown(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table, with a line break at its end."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, ["---"] * len(headings), *lines)) + "\n"
