"""Run the notebooks of the tour and of the assignments from top to bottom.

    python -m tools.notebooks [NAME ...] [--write]

An assignment's notebook runs in its own solved handout; its checks must pass.  A notebook of the tour shows
again what is stored in it, except where a cell is tagged "varies"; --write stores what it shows this time.
A cell that fails fails the run.
"""
