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
    "operations_tables",
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

# A script from the network draws the diagrams. Without it their source is shown, below a table that says the same.
mermaid_output_format = "raw"
mermaid_fullscreen = False


def keep_colons(_app, what, *rest):
    """Napoleon takes what stands before a colon in an attribute's first line for its type; ours are sentences."""
    lines = rest[-1]
    types = [line for line in lines if line.startswith(":type: ")]
    if what in {"attribute", "property"} and types:
        lines.remove(types[0])
        lines[0] = f"{types[0].removeprefix(':type: ')}: {lines[0]}"


def setup(app):
    app.connect("autodoc-process-docstring", keep_colons, priority=600)  # after napoleon's 500
