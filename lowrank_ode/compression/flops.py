"""How much work a layer is in prediction and in a training step: operations of its products.

A layer has n outputs, m inputs and the weight matrix W, dense or U S Vᵀ of rank r; activations Z
(m, b) and errors Δ (n, b), b examples. A product of p × q and q × s counts 2 p q s, a Gram matrix
XᵀX half of it, for one triangle is computed; an operation is a multiplication or an addition. Left
out are the work on single entries, O(b (n + m) + n m), and decompositions and inverses of small
matrices, also of those that mend a basis of bad condition, O(r³). docs/6-speed.md has a table.
"""

from bisect import bisect_right

from ..matrices import check_count


def prediction_flops(shape, rank=None, core=False):
    """Operations of a layer of shape (n outputs, m inputs) on one example: of W z; of K (Vᵀz),
    K = U S; with core, of U (S (Vᵀz)).

    rank None is a dense layer. Raises ValueError unless 1 ≤ rank ≤ min(n, m).

    >>> prediction_flops((500, 784)), prediction_flops((500, 784), 20)
    (784000, 51360)
    >>> prediction_flops((500, 784), 20, core=True)
    52160
    """
    n, m = shape
    if rank is None:
        return 2 * n * m
    r = _checked(rank, shape)
    return 2 * r * (n + m) + core * 2 * r**2


def step_flops(shape, rank, batch, passes=1, first=False):
    """Operations of one training step in a layer of shape (n outputs, m inputs) on a batch.

    rank None: a dense layer and an Euler step. passes 1: DLRT, from one gradient. passes 3: the K-,
    L- and S-step of [SZKCT22] each with a gradient of its own, which is AdaptiveBUG(solve=euler)
    here. first: nothing is passed on to the inputs of the first layer. The counts of low rank are
    exact for r ≤ batch ≤ 4 (n + m) and 2r ≤ min(n, m). For r > batch they leave out what finds the
    directions of growth, O(batch r²); with three passes, or where bases are cut off at n or m
    columns, they are too high then. For a larger batch the gradient may be multiplied out
    (`nets.layers.Dense.gradient`), which is not counted here.

    Raises ValueError unless 1 ≤ rank ≤ min(n, m), 1 ≤ batch and passes is 1 or 3.

    >>> step_flops((500, 500), None, batch=256), step_flops((500, 500), 20, batch=256)
    (384000000, 48054400)
    >>> step_flops((500, 500), 20, batch=256, passes=3)
    103417600
    """
    (n, m), b = shape, check_count("batch", batch)
    if passes not in (1, 3):
        raise ValueError(f"passes: got {passes}, expected 1 or 3")
    if rank is None:
        return 2 * b * n * m * (2 if first else 3)                      # W Z, Wᵀ Δ, Δ Zᵀ
    r = _checked(rank, shape)

    def forward_and_backward(r, core):
        forward = 2 * b * (n + m) * r + core * 2 * b * r**2             # U (S (VᵀZ))
        below = 0 if first else 2 * b * m * r + core * 2 * b * r**2     # V (Sᵀ (UᵀΔ))
        return forward + 2 * b * n * r + below                          # and UᵀΔ

    p = min(r, b) if passes == 1 else r                                 # so many new columns
    basis_updates = 2 * b * (n + m) * p                                 # Δ times ZᵀV0, Z times ΔᵀU0
    bases = 2 * (n + m) * (r + p) * r                                   # Û P, V̂ Q
    galerkin = 2 * b * (r + p) ** 2                                     # (ÛᵀΔ) (ZᵀV̂)
    always = basis_updates + bases + galerkin
    if passes == 1:
        augmented = _augmented(n, r, p, b) + _augmented(m, r, p, b)
        new_columns = 2 * b * (n + m) * p                               # of Û and V̂
        return forward_and_backward(r, core=True) + always + augmented + new_columns
    augmented = (n + m) * 15 * r**2                                     # U0ᵀK, R, RᵀR, B, WᵀW, W T
    starts = 2 * (n + m) * r**2                                         # U0 S0, V0 S0ᵀ
    polished = (n + m) * r**2                                           # ÛᵀÛ, V̂ᵀV̂
    gradients = 2 * forward_and_backward(r, core=False) + forward_and_backward(2 * r, core=True)
    return gradients + always + augmented + starts + polished


def _augmented(n, r, p, b):
    """Of a basis of n rows: U0ᵀK as (ΔᵀU0)ᵀ (ZᵀV0); R = K − U0 (U0ᵀK), RᵀR, B = R T, WᵀW for
    W = [U0, B]; the core of 2r rows times T, but for what belongs to U0, and T P."""
    of_n_rows = n * (2 * r * p + 3 * p**2 + (r + p)**2)
    return 2 * b * r * p + of_n_rows + 2 * (r + p)**2 * p + 2 * (r + p)**2 * r


def break_even(cost, most):
    """The largest rank 1, …, most with cost(rank) ≤ cost(None), that of dense, or 0; costs rise.

    >>> layer = 5120, 5120
    >>> break_even(lambda rank: prediction_flops(layer, rank), most=5120)
    2560
    >>> break_even(lambda rank: prediction_flops(layer, rank, core=True), most=5120)
    2120
    >>> break_even(lambda rank: step_flops(layer, rank, 256), most=2560)
    661
    >>> break_even(lambda rank: step_flops(layer, rank, 256, passes=3), most=2560)
    327
    """
    return bisect_right(range(1, most + 1), cost(None), key=cost)


def _checked(rank, shape):
    return check_count("rank", rank, most=min(shape), where=f" for a layer of shape {shape}")
