"""Assignments: handouts cut from the package itself, checks that say what is wrong, grading in a sandbox."""
