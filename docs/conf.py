"""Sphinx configuration; ``make docs`` builds with warnings as errors."""

import sys
from pathlib import Path

import seatrial

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Seatrial"
author = "The Seatrial developers"
copyright = "The Seatrial developers, Apache License 2.0"
version = release = seatrial.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinxcontrib.mermaid",
    "contract_tables",
]
exclude_patterns = ["_build", "_ext"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"Seatrial {release}"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
templates_path = []

# A diagram that cannot be drawn (no network, no script) stays readable: each one has its table beside it.
mermaid_output_format = "raw"
