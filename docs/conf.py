"""How the site is built: ``make docs``. Nothing on it is loaded from a network."""

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")  # modules are imported for their docstrings

project = "voltgym"
author = "The voltgym developers"
project_copyright = f"{author}, MIT licence"
version = release = installed("voltgym")

extensions = ["myst_parser", "docstrings", "mathml", "commands", "accessible"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_ext", "examples/**"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False}
autodoc_preserve_defaults = True
default_role = "code"  # docstrings name things in single back-quotes, too
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"voltgym {version}"
html_static_path = ["_static"]
html_css_files = ["voltgym.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_domain_indices = False
html_theme_options = {"navigation_with_keys": True}
