"""Links that lead nowhere: a Sphinx extension that reads the finished site and warns of each.

Sphinx checks the links of the pages that people write. Those that it writes itself, of navigation and source pages, and
those in raw HTML are checked here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from os.path import normpath
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LINK = re.compile(r"""<[a-z]\w*\b[^<>]*?\s(?:href|src)=(["'])(.*?)\1""", re.S)
NAME = re.compile(r"""<[a-z]\w*\b[^<>]*?\s(?:id|name)=(["'])(.*?)\1""", re.S)


@dataclass(frozen=True)
class Page:
    """The links of one page, and the names that links to it may end in."""

    links: set[str]
    names: set[str]

    @classmethod
    def read(cls, path: Path) -> "Page":
        """Find both in a page of HTML. A parser would take ten times as long, and these pages are well formed."""
        text = path.read_text(encoding="utf-8")
        links, names = ({unescape(value) for _, value in found.findall(text)} for found in (LINK, NAME))
        return cls(links, names | {"", "top"})


def broken(site: Path) -> Iterator[tuple[Path, str]]:
    """Each page of a built site with each of its links that leads nowhere on it."""
    pages = {path: Page.read(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = Path(normpath(path.parent / unquote(parts.path))) if parts.path else path
            found = unquote(parts.fragment) in pages[target].names if target in pages else target.exists()
            if not found:
                yield path, link


def check(app: Any, failed: Exception | None) -> None:
    """Warn of every broken link once the site is written."""
    from sphinx.util import logging  # tests find broken links without Sphinx

    if failed or app.builder.name != "html":
        return
    site = Path(app.outdir).resolve()
    for path, link in broken(site):
        logging.getLogger(__name__).warning("%s: the link %s leads nowhere", path.relative_to(site), link)


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
