"""The documentation site: ``make docs`` builds it from the pages of this folder and from the code."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from oversight_gym import __version__  # noqa: E402

project = "oversight-gym"
author = "The oversight-gym authors"
copyright = f"2026, {author}"
version = release = __version__
html_title = "oversight-gym"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_design",
    "generated",
    "notebooks",
    "links",
]
exclude_patterns = ["examples", "_generated/extra", "package.md"]

html_theme = "furo"
html_static_path = ["_static"]
html_extra_path = ["_generated/extra"]
(HERE / "_generated" / "extra").mkdir(parents=True, exist_ok=True)  # filled by generated.py
html_css_files = ["site.css"]
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")
nb_execution_timeout = 240
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
viewcode_follow_imported_members = False  # or pages for the source of torch and of Python itself
python_use_unqualified_type_names = True
suppress_warnings = ["ref.python"]  # types in docstrings are words, not always names
