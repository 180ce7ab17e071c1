"""Notebooks side by side: a Sphinx extension that executes every tutorial whose code has changed before pages are read.

Left to itself, MyST-NB executes notebooks as it reads them, and Sphinx gives all tutorials to one process. Here they go
into the cache in which MyST-NB looks first. A notebook that fails is executed again by MyST-NB, which reports it.
"""

import logging
import os
from pathlib import Path
from typing import Any

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from sphinx.application import Sphinx

READER = {"name": "myst_nb_md", "type": "plugin"}


def execute(app: Sphinx) -> None:
    """Execute the notebooks that are not in the cache, as many at a time as there are cores."""
    cache = get_cache(app.config.nb_execution_cache_path)
    pages = sorted(Path(app.srcdir).glob("tutorials/*.md"))
    uris = [str(page) for page in pages if page.read_text().startswith("---\nfile_format: mystnb")]
    for uri in uris:
        cache.add_nb_to_project(uri, read_data=READER)
    os.environ["OMP_NUM_THREADS"] = "1"  # of each notebook: more would wait for each other's cores
    quiet = logging.getLogger("notebooks")
    quiet.setLevel(logging.WARNING)
    executor = load_executor("local-parallel", cache, quiet)
    executor.run_and_cache(filter_uris=uris, timeout=app.config.nb_execution_timeout)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", execute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
