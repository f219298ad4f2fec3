"""Sphinx's settings for the site; tools/docs/__main__.py starts it."""

from pathlib import Path
from typing import Any

import minicap
from tools.docs import maths, reference

project = "minicap"
author = copyright = "the minicap authors"
version = release = minicap.__version__
root_doc = "index"
language = "en"
smartquotes = False  # "dx'" is a derivative

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4  # the anchors of a code host
highlight_language = "text"
autodoc_member_order = "bysource"
add_module_names = False
toc_object_entries = False  # they would make the navigation of every page slow to build
python_maximum_signature_line_length = 90
viewcode_line_numbers = True

suppress_warnings = [
    "ref.python",  # types of the same name in two modules: the nearer one is meant
    "myst.header",  # a notebook may skip a level of headings
]
html_theme = "furo"
html_title = "minicap"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
html_favicon = str(Path(__file__).parent / "static" / "favicon.svg")
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e75", "color-brand-content": "#0b6e75"},
    "dark_css_variables": {"color-brand-primary": "#5cc8cf", "color-brand-content": "#5cc8cf"},
}


def setup(app: Any) -> None:
    app.add_html_math_renderer(
        "mathml", inline_renderers=(maths.visit_inline, None), block_renderers=(maths.visit_block, None)
    )
    app.connect("autodoc-process-signature", reference.on_signature)
    app.connect("autodoc-process-docstring", reference.on_docstring)
    app.connect("autodoc-skip-member", reference.on_member)
