"""The faster pairs that stand in for textbook ones, and what a training step needs to know of its machine."""
