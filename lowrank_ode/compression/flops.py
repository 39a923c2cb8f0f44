"""How much work a layer is in prediction and in a training step: operations of its products.

A layer has n outputs, m inputs and the weight matrix W, dense or U S Vᵀ of rank r; activations Z
(m, b) and errors Δ (n, b), b examples. A product of p × q and q × s counts 2 p q s, a Gram matrix
XᵀX half of it, for one triangle is computed; an operation is a multiplication or an addition. Left
out are the work on single entries, O(b (n + m) + n m), and decompositions and inverses of small
matrices, also of those that mend a basis of bad condition, O(r³). docs/6-speed.md has a table.
"""

from bisect import bisect_right

from ..options import check_count
from .counts import check_layer


def prediction_flops(shape, rank=None, core=False):
    """Operations of a layer of shape (n outputs, m inputs) on one example: of W z; of K (Vᵀz),
    K = U S; with core, of U (S (Vᵀz)).

    rank None is a dense layer. Raises ValueError unless 1 ≤ rank ≤ min(n, m).

    >>> prediction_flops((500, 784)), prediction_flops((500, 784), 20)
    (784000, 51360)
    >>> prediction_flops((500, 784), 20, core=True)
    52160
    """
    n, m = shape = check_layer(shape)
    if rank is None:
        return 2 * n * m
    r = _checked(rank, shape)
    return 2 * r * (n + m) + core * 2 * r**2


def multiplications(shapes, ranks, positions=None):
    """Multiplications of weights in a prediction of one example, half of `prediction_flops`: P n m
    of a dense layer (rank None) of shape (n outputs, m inputs), P r (n + m) of one of rank r, at P
    places, the pixels of a convolution's outputs.

    positions: P of each layer, None: 1 everywhere. A kernel folded to another matrix has the shape
    of this one; a row of windows and then a column are at P places each if the stride is 1.
    Raises ValueError for lists of different lengths, P < 1, and unless 1 ≤ rank ≤ min(n, m).

    >>> lenet5 = [(20, 25), (50, 500), (500, 800), (10, 500)], [24 * 24, 8 * 8, 1, 1]
    >>> dense = multiplications(lenet5[0], [None] * 4, lenet5[1])
    >>> dense, round(dense / multiplications(lenet5[0], [6, 7, 8, None], lenet5[1]), 2)
    (2293000, 5.49)
    """
    positions = [1] * len(shapes) if positions is None else positions
    if not len(shapes) == len(ranks) == len(positions):
        raise ValueError(f"ranks, positions: got {len(ranks)} and {len(positions)}, "
                         f"expected one for each of {len(shapes)} layers")
    return sum(check_count("positions", P) * prediction_flops(shape, r) // 2
               for shape, r, P in zip(shapes, ranks, positions, strict=True))


def flops_saved(speed_up):
    """100 (1 − 1/s) %, the reduction of work ("CR-F") that a speed-up s, work before over work
    after, is.

    >>> [round(flops_saved(s), 1) for s in (1.0, 2.0, 3.18)]
    [0.0, 50.0, 68.6]
    """
    if not speed_up > 0:
        raise ValueError(f"speed_up: got {speed_up}, expected a number > 0")
    return 100 * (1 - 1 / speed_up)


def step_flops(shape, rank, batch, passes=1, first=False):
    """Operations of one training step in a layer of shape (n outputs, m inputs) on a batch.

    rank None: a dense layer and an Euler step. passes 1: DLRT, from one gradient. passes 3: the K-,
    L- and S-step of [SZKCT22] each with a gradient of its own, which is AdaptiveBUG(solve=euler)
    here. first: nothing is passed on to the inputs of the first layer. The counts of low rank are
    exact where new directions are in general position, min(rank, batch) of them if there is room
    beside the old ones. For rank > batch rounding errors may cost some more.

    Raises ValueError unless 1 ≤ rank ≤ min(n, m), 1 ≤ batch and passes is 1 or 3.

    >>> layer = 500, 500
    >>> [step_flops(layer, None, 256), *(step_flops(layer, 20, 256, passes) for passes in (1, 3))]
    [384000000, 49136000, 103145600]
    """
    (n, m), b = check_layer(shape), check_count("batch", batch)
    if passes not in (1, 3):
        raise ValueError(f"passes: got {passes}, expected 1 or 3")
    if rank is None:
        return 2 * b * n * m * (2 if first else 3)                      # W Z, Wᵀ Δ, Δ Zᵀ
    r = _checked(rank, shape)

    p, q = (min(r, b, rows - r) for rows in shape)      # columns that U and V grow by

    def gradient(r, s, core):                           # of U S Vᵀ, with an r × s core or without
        V, S = 2 * b * m * s, core * 2 * b * r * s
        return 4 * b * n * r + (V + S) * (1 if first else 2)        # U (S (VᵀZ)), UᵀΔ, V (Sᵀ (UᵀΔ))

    basis_updates = 2 * b * (n + m) * r                 # Δ (ZᵀV0), Z (ΔᵀU0): brackets are there
    augmented = _augmented(n, r, p) + _augmented(m, r, q)
    galerkin = 2 * b * (r + p) * (r + q)                # (ÛᵀΔ) (ZᵀV̂)
    bases = sum(2 * r * (r + k) * (rows + r + k) for rows, k in ((n, p), (m, q)))    # W (T P)
    shared = basis_updates + augmented + galerkin + bases
    if passes == 1:                                     # ΔᵀÛ: ΔᵀB, and (ΔᵀU0, ΔᵀB) T
        new_columns = sum(2 * b * k * (rows + r + k) for rows, k in ((n, p), (m, q)))
        return gradient(r, r, core=True) + shared + new_columns
    starts = 2 * (n + m) * r**2                         # U0 S0, V0 S0ᵀ
    multiplied_out = 2 * (n * (r + p) * p + m * (r + q) * q)        # of Û = [U0, W T] and V̂
    gradients = 2 * gradient(r, r, core=False) + gradient(r + p, r + q, core=True)
    return starts + gradients + shared + multiplied_out


def _augmented(n, r, p):
    """Of a basis U0 of n rows by p columns from the r of K: U0ᵀK, R = K − U0 (U0ᵀK), RᵀR, B = R T,
    WᵀW for W = [U0, B]. With p < r, and room for more, this again for the rest of K, to see that it
    is rounding, with Û = [U0, W T] for U0, and no B.
    """
    k, rest = r + p, r - p
    once = n * (5 * r**2 + 2 * r * p + k**2)
    return once if p == r or k == n else once + n * (2 * k * p + 4 * k * rest + rest**2 + k**2)


def break_even(cost, most):
    """The largest rank 1, …, most with cost(rank) ≤ cost(None), that of dense, or 0; costs rise.

    >>> layer = 5120, 5120
    >>> break_even(lambda rank: prediction_flops(layer, rank), most=5120)
    2560
    >>> break_even(lambda rank: prediction_flops(layer, rank, core=True), most=5120)
    2120
    >>> break_even(lambda rank: step_flops(layer, rank, 256), most=2560)
    396
    >>> break_even(lambda rank: step_flops(layer, rank, 256, passes=3), most=2560)
    306
    """
    return bisect_right(range(1, most + 1), cost(None), key=cost)


def _checked(rank, shape):
    return check_count("rank", rank, most=min(shape), where=f" for a layer of shape {shape}")
