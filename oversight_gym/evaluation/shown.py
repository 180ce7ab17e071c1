"""The display of results in a terminal and in notebooks: tables instead of arrays."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDTH = 110
"""The width in columns."""


class Shown(ABC):
    """The base of results that are displayed as :meth:`_shown` gives, in Python, in notebooks and by rich."""

    @abstractmethod
    def _shown(self) -> "Sequence[RenderableType]":
        """Tables and lines of text, from top to bottom."""

    def _console(self) -> "Console":
        from rich.console import Console

        console = Console(file=StringIO(), width=WIDTH, record=True, highlight=False, force_jupyter=False)
        console.print(self.__rich__())
        return console

    def __rich__(self) -> "RenderableType":
        from rich.console import Group

        return Group(*self._shown())

    def __repr__(self) -> str:
        lines = self._console().export_text().splitlines()
        return "\n".join(line.rstrip() for line in lines).strip("\n")

    def _repr_html_(self) -> str:
        return self._console().export_html(inline_styles=True, code_format="<pre style='line-height: 1.2'>{code}</pre>")
