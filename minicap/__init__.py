"""minicap: deep learning with every gradient written by hand.

Start with `minicap.layers` (pure forward / backward pairs), `minicap.nn` (the same as objects), and the
command line (`minicap --help`).
"""

__version__ = "0.1.0"
