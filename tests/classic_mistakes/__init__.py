"""Mistakes as students make them: each a whole body, written without a look at the right one."""

from classic_mistakes import attention_and_scores, layers, speed

# (assignment, exercise, words that the first line of the check says, body)
MISTAKES = [*layers.MISTAKES, *attention_and_scores.MISTAKES, *speed.MISTAKES]
