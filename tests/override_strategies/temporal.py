"""The affine layer at every step."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def temporal_affines(draw):
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    N, T, D, M = (draw(st.integers(1, 7)) for _ in range(4))
    return dict(x=rng.normal(size=(N, T, D)), w=rng.normal(size=(D, M)), b=rng.normal(size=M))


STRATEGIES = {("temporal_affine", "temporal_affine_forward"): temporal_affines()}
