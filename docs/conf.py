"""How Sphinx builds the site; `nox -s docs` runs it after docs/generate.py, with warnings as errors."""

project = "crashmatrix"
author = "the authors of crashmatrix"
extensions = ["myst_parser"]
root_doc = "index"
exclude_patterns = ["conf.py", "generate.py"]
html_theme = "furo"
html_title = "crashmatrix"
html_show_copyright = False
# Headings are link targets by GitHub's names of them, so that a link works in both places.
myst_heading_anchors = 3
highlight_language = "none"
nitpicky = True
linkcheck_anchors = False
