"""Writes a run as one HTML file, made of the page's own files and the facts about the run.

No content of a run is ever read as HTML or as a script. It is in the page as JSON in which every character that could
end it is escaped, and the scripts write it as text. The page's Content-Security-Policy allows its own script and style,
by their digests, and nothing else, so it can neither load nor send anything.
"""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from oversight_gym.browser.facts import facts
from oversight_gym.browser.weights import PRECISIONS, networks, rounding
from oversight_gym.envs import RequestError
from oversight_gym.files import write_whole
from oversight_gym.runs.folder import Run

PAGE = Path(__file__).with_name("page")
SCRIPTS = ("network.js", "solver.js", "episode.js", "drawing.js", "board.js", "panel.js", "main.js")
"""The scripts, in this order; each may use those before it."""
MOST_BYTES = 1_000_000
MOST_ROUNDING = 0.01
"""The largest change of a probability by rounded weights."""


def export_page(run: Run, path: Path) -> str:
    """Write a run as a web page.

    Args:
        run: a finished run.
        path: the HTML file; its folder is made if need be.

    Returns:
        the precision of the weights in it, one of ``PRECISIONS``.

    Raises:
        RequestError: if the page cannot show the run's world, the file would be too large, or it cannot be written.
    """
    content, precision = page_of(run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise RequestError(f"{path} cannot be written ({error.strerror}); choose another file.") from error
    return precision


def page_of(run: Run) -> tuple[str, str]:
    """The page of a run, in the best precision in which it is small enough, and that precision; errors as above."""
    told = facts(run)
    for precision in PRECISIONS:
        content = page(told | networks(run.policy, precision))
        if len(content.encode()) <= MOST_BYTES:
            if precision != PRECISIONS[0] and rounding(run.policy, run.config.env, precision) > MOST_ROUNDING:
                break
            return content, precision
    raise RequestError(
        f"the weights of {run.folder} do not fit into {MOST_BYTES:,} bytes at a precision that keeps the policy; train "
        "it with smaller `layers` and `gate_layers`, or watch it instead."
    )


def page(told: dict[str, Any]) -> str:
    """The page that is told these facts, plain JSON."""
    style, script = (PAGE / "style.css").read_text(), "".join((PAGE / name).read_text() for name in SCRIPTS)
    policy = f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; base-uri 'none'"
    parts = {"policy": policy + "; form-action 'none'", "style": style, "script": script, "facts": embedded(told)}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (PAGE / "page.html").read_text())


def _source(content: str) -> str:
    """How a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def embedded(told: dict[str, Any]) -> str:
    """JSON that can stand in a script element: nothing in it ends the element or begins a comment."""
    text = json.dumps(told, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
