"""The documentation as a website:  python -m tools.docs

`pages`: which files become pages; `notebook`, `reference`, `docstrings`, `maths`: notebooks, the API and
formulas as pages; `conf` and `static`: Sphinx's settings; `links`: no link of the site leads nowhere.
"""
