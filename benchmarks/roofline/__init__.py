"""The roofline of a training step: how fast each layer is, against what the processor can do at most.

A layer can be no faster than the processor multiplies, nor than memory brings what it reads and writes
(Williams, Waterman & Patterson 2009).  Run it as `python -m benchmarks.roofline`.
"""
