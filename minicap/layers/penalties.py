"""Penalties on the size of parameters, added to a loss."""

from minicap.arrays import Array, accelerated
from minicap.layers.checks import check, number


@accelerated
def l2_penalty_loss(w: Array, strength: float) -> tuple[Array, Array]:
    """Weight decay:  loss = strength / 2 * sum w^2,  dw = strength * w.

    w: any shape.  The half makes the gradient strength * w, so a step of plain gradient descent shrinks
    every weight by the share learning_rate * strength.
    Returns the loss (0 axes) and dw like w.  Raises InputError for a strength that is negative or not finite.
    Source: Goodfellow et al. 2016, "Deep learning", section 7.1.1.
    """
    check(l2_penalty_loss, w=(w, "..."))
    strength = number(l2_penalty_loss, "strength", strength, 0)

    return 0.5 * strength * (w**2).sum(), strength * w


@accelerated
def l1_penalty_loss(w: Array, strength: float) -> tuple[Array, Array]:
    """Sparsity penalty:  loss = strength * sum |w|,  dw = strength * sign(w), 0 where w is 0.

    w: any shape.  Returns the loss (0 axes) and dw like w.
    Raises InputError for a strength that is negative or not finite.
    Source: Tibshirani 1996; Goodfellow et al. 2016, "Deep learning", section 7.1.2.
    """
    xp = check(l1_penalty_loss, w=(w, "..."))
    strength = number(l1_penalty_loss, "strength", strength, 0)

    return strength * xp.abs(w).sum(), strength * xp.sign(w)
