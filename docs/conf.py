"""Sphinx configuration: MyST pages, autodoc of every public name, examples executed into the gallery."""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])

# One thread and no window: pictures come out the same on every machine, examples take what they say they take.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib as mpl  # noqa: E402
import torch  # noqa: E402

import mriops  # noqa: E402

torch.set_num_threads(1)
mpl.use("Agg")

project = "mriops"
author = "the mriops authors"
copyright = "the mriops authors"
release = version = mriops.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "requirements.txt", "**/GALLERY_HEADER.rst"]
default_role = "code"  # docstrings write `name`

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"mriops {release}"
html_show_sphinx = False

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples"),
    "gallery_dirs": "_generated/gallery",
    "filename_pattern": r"[\\/]\d\d_\w+\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_signature": False,
    "download_all_examples": False,
    "min_reported_time": 0,
    "reset_modules": ("matplotlib",),
    "write_computation_times": False,
    "image_scrapers": ("matplotlib",),
    "backreferences_dir": None,
}
suppress_warnings = [
    "config.cache",  # sphinx-gallery's settings hold functions, which is all this warning says
    "ref.python",  # words of a parameter's type ("Tensor (..., ndim)") are tried as names of objects
]


def _plain_text(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Docstrings are written to be read: a shape `(*batch, y, x)` begins no emphasis, a modulus |k| no substitution."""
    inside_math = False
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        inside_math = line.lstrip().startswith(".. math::") or (inside_math and (indent > 0 or not line.strip()))
        if not inside_math:
            spans = re.split(r"(``.*?``|:[\w:]+:`[^`]*`|`[^`]*`)", line)
            spans[::2] = [re.sub(r"(?<!\\)([*|])", r"\\\1", span) for span in spans[::2]]
            lines[i] = "".join(spans)


def _no_words_of_the_type(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """A constant has no docstring: what `autodata` finds is that of tuple, dict or float."""
    if what == "data" and "\n".join(lines).strip() == (inspect.getdoc(type(obj)) or "").strip():
        lines.clear()


def setup(app: Any) -> None:
    """Before napoleon, which comes at 500."""
    app.connect("autodoc-process-docstring", _no_words_of_the_type, priority=300)
    app.connect("autodoc-process-docstring", _plain_text, priority=400)
