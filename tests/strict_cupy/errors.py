"""The error of the stand-in."""


class StrictError(TypeError):
    """Code that CuPy refuses, or does in silence something that it should not be asked for."""
