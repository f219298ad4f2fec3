"""Where the time of a training step goes, as a flame picture.  Run it as `python -m benchmarks.flame`."""
