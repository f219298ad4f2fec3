"""The faster pairs that replace textbook ones, and what a training step needs to know about its machine."""
