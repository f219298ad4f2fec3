"""The matrices of Winograd's minimal filtering F(m, r): m outputs of an r-tap filter from m + r - 1 products.

Correlation with a filter g is the transpose of multiplying polynomials, one of them with coefficients g.
Their product, of a = m + r - 1 coefficients, is known from its values at a points, one of them infinity (Toom
and Cook; Winograd 1980).  Transposed, that gives the m outputs y from a tile d of a inputs (Lavin & Gray
2016, eq. 8 in one dimension, eq. 13 in two)

    y = A^T [(G g) * (B^T d)]                Y = A^T [(G g G^T) * (B^T d B)] A

where * multiplies element by element.  With the points p_0 ... p_{a-2}, and a last row for infinity,

    A^T[i, k] = p_k^i
    G[k, j]   = p_k^j / prod_{l != k} (p_k - p_l)
    B^T[k]    = coefficients of prod_{l != k} (x - p_l),  the lowest first; of prod_l (x - p_l) at infinity

For F(4, 3) with the points 0, 1, -1, 1/2, -2 that is

          |  1  -3/2 -2   3/2  1   0 |         |   1     0     0   |
          |  0  -1   1/2  5/2  1   0 |         |  1/3   1/3   1/3  |           | 1  1  1  1   1   0 |
    B^T = |  0   1  -5/2  1/2  1   0 |     G = | -1/3   1/3  -1/3  |     A^T = | 0  1 -1  1/2 -2  0 |
          |  0  -2  -1    2    1   0 |         | -16/15 -8/15 -4/15|           | 0  1  1  1/4  4  0 |
          |  0   1/2 -1  -1/2  1   0 |         |  1/15 -2/15  4/15 |           | 0  1 -1  1/8 -8  1 |
          |  0   1  -3/2 -2   3/2  1 |         |   0     0     1   |

The points determine the rounding error: with 1/2 and -2 it is half of that with 2 and -2 (Barabasz et al.
2020, "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks").
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array

# taps: (outputs of a tile, points without infinity)
_TILES: dict[int, tuple[int, tuple[float, ...]]] = {
    3: (4, (0, 1, -1, 1 / 2, -2)),
    5: (4, (0, 1, -1, 1 / 2, -1 / 2, 2, -2)),
}
SIZES = tuple(_TILES)
POINT_ONE = 1  # its column of A^T is all ones: a constant here is added to every output


class Transforms(NamedTuple):
    """F(m, r) in one dimension; in two, the same matrices act on rows and then on columns."""

    m: int  # outputs of a tile along one side
    r: int  # taps of the filter
    BT: Array  # (a, a) inputs to points
    G: Array  # (a, r) filter to points
    AT: Array  # (m, a) points to outputs


@cache
def transforms(taps: int, dtype: np.dtype) -> Transforms:
    """F(4, 3) or F(4, 5) in this dtype."""
    m, points = _TILES[taps]
    p = np.array(points)
    a = len(p) + 1
    others = [np.delete(p, k) for k in range(a - 1)]
    AT, G, BT = np.zeros((m, a)), np.zeros((a, taps)), np.zeros((a, a))
    AT[:, :-1] = p ** np.arange(m)[:, None]
    G[:-1] = p[:, None] ** np.arange(taps)
    for k, rest in enumerate(others):
        G[k] /= np.prod(p[k] - rest)
        BT[k, :-1] = np.poly(rest)[::-1]
    AT[-1, -1] = G[-1, -1] = 1
    BT[-1] = np.poly(p)[::-1]
    return Transforms(m, taps, BT.astype(dtype), G.astype(dtype), AT.astype(dtype))
