"""The site: Sphinx reads the pages (MyST) and the docstrings; nothing is fetched from the network."""

import sys
from pathlib import Path

import elman

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "elman"
author = "The elman developers"
copyright = "the elman developers, Apache-2.0"  # noqa: A001
version = release = elman.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "settings_table"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"elman {release}"
html_static_path = ["_static"]
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False
