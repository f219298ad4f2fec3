"""Penalties on the size of parameters, added to a loss."""

from minicap.arrays import Array, accelerated
from minicap.errors import InputError
from minicap.layers.checks import check


@accelerated
def l2_penalty_loss(w: Array, strength: float) -> tuple[Array, Array]:
    """Weight decay:  loss = strength / 2 * sum w^2,  dw = strength * w.

    w: any shape.  The half makes the gradient strength * w, so a step of plain gradient descent shrinks
    every weight by the share learning_rate * strength.
    Returns the loss (0 axes) and dw like w.  Raises InputError for a negative strength.
    Source: Goodfellow et al. 2016, "Deep learning", section 7.1.1.
    """
    check(l2_penalty_loss, w=(w, "..."))
    strength = _strength("l2_penalty_loss", strength)

    return 0.5 * strength * (w**2).sum(), strength * w


@accelerated
def l1_penalty_loss(w: Array, strength: float) -> tuple[Array, Array]:
    """Sparsity penalty:  loss = strength * sum |w|,  dw = strength * sign(w), 0 where w is 0.

    w: any shape.  Returns the loss (0 axes) and dw like w.  Raises InputError for a negative strength.
    Source: Tibshirani 1996; Goodfellow et al. 2016, "Deep learning", section 7.1.2.
    """
    xp = check(l1_penalty_loss, w=(w, "..."))
    strength = _strength("l1_penalty_loss", strength)

    return strength * xp.abs(w).sum(), strength * xp.sign(w)


def _strength(function: str, strength: float) -> float:
    if not strength >= 0:
        raise InputError(f"{function}: strength is {strength} but must not be negative")
    return float(strength)
