"""The contract of lowrank_ode/integrators/__init__.py as theorems: asked of every method.

"Follows" is: a step adds h F(t, Y) to 1 % of it (in single precision 11 %), where F is tangent and
h so small that what is of order h² is far less.
"""

import copy

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

from ..matrices import DirectSum, H, best_approximation, dense, norm
from .draws import draw, draw_tangent
from .theorems import EPS, NotAsked, asked_if_kept, is_low_rank, needs, needs_dtype, step, theorem

KINDS = {"LowRank": lambda G: best_approximation(G, rank=min(G.shape)), "csr_array": csr_array,
         "LinearOperator": aslinearoperator}


@theorem("Y1 = step(Y, t, h, F) is a finite matrix of the type and shape of Y", vital=True)
def keeps_type_and_shape(method, seed):
    Y1 = step(method, *draw(seed))
    return np.count_nonzero(~np.isfinite(dense(Y1))), 0


@theorem("Y and its factors are unchanged; the same arguments give the same result, and the steps "
         "after it leave it as it is", vital=True)
def is_pure(method, seed):
    Y, t, h, *_, F = draw_tangent(seed) if seed % 2 else draw(seed)
    before = copy.deepcopy(tuple(Y))
    Y1 = step(method, Y, t, h, F)
    first = copy.deepcopy(tuple(Y1) if is_low_rank(method) else (Y1,))
    again = step(method, Y, t, h, F)
    step(method, 2.0 * Y, t, h, F)
    if seed % 2:
        step(method, Y1, t + h, h, F)
    now = [tuple(X) if is_low_rank(method) else (X,) for X in (Y1, again)]
    pairs = zip((*Y, *now[0], *now[1]), (*before, *first, *first), strict=True)
    return sum(X.shape != Z.shape or np.count_nonzero(X != Z) for X, Z in pairs), 0


@theorem("dense blocks of Y are unchanged")
def leaves_dense_blocks_alone(method, seed):
    """Arrays of a LowRank are to read only: who writes to them is told so."""
    needs(method, "direct_sums")
    (Y, t, h, F), W = draw(seed), np.ones((3, 1))
    step(method, DirectSum([Y, W]), t, h, lambda t, P: DirectSum([F(t, P.blocks[0]), -P.blocks[1]]))
    return np.count_nonzero(W != 1), 0


@theorem("U1ᴴU1 = I, V1ᴴV1 = I, rank ≥ 1", vital=True)
def returns_orthonormal_bases(method, seed):
    if not is_low_rank(method):
        raise NotAsked("not asked: low_rank = False, there are no bases")
    Y1 = step(method, *draw(seed))
    if not Y1.rank:
        raise ValueError("step returned a matrix of rank 0, expected at least 1")
    return max(norm(H(X) @ X - np.eye(X.shape[1])) for X in (Y1.U, Y1.V)), 100 * EPS * Y1.rank


@theorem("float32 in, float32 out; complex in, complex out", vital=True)
def keeps_precision(method, seed):
    dtype = (np.float32, np.complex128, np.complex64)[seed % 3]
    needs_dtype(method, dtype)
    Y, t, h, F = draw(seed, dtype)
    return int(step(method, Y, t, np.float64(h), F).dtype != dtype), 0


@theorem("the first call of F is F(t, Y)", vital=True)
def starts_with_F_at_Y(method, seed):
    (Y, t0, h, F), calls = draw(seed), []
    step(method, Y, t0, h, lambda t, Z: calls.append((t, dense(Z))) or F(t, Z))
    if not calls:
        raise ValueError("step never calls F: it cannot follow Y' = F(t, Y)")
    t, Z = calls[0]
    return abs(t - t0) / (1 + abs(t0)) + norm(Z - dense(Y)) / norm(Y), 100 * EPS * sum(Y.shape)


@theorem("F tangent, h → 0  ⟹  Y1 = Y + h F(t, Y) + O(h²)")
def follows_its_field(method, seed):
    return increment_error(method, *draw_tangent(seed))


@theorem("F tangent, h → 0  ⟹  Y1 = Y + h F(t, Y) + O(h²), complex matrices", seeds=20)
def follows_complex_fields(method, seed):
    needs(method, "complex")
    return increment_error(method, *draw_tangent(seed, complex))


@theorem("F tangent, h → 0  ⟹  Y1 = Y + h F(t, Y) + O(h²), single precision", seeds=20)
def follows_fields_in_single_precision(method, seed):
    dtype = (np.float32, np.complex64)[seed % 2]
    needs_dtype(method, dtype)
    return increment_error(method, *draw_tangent(seed, dtype))


@theorem("step of diag(Y, Z, W) = diag(step of Y, step of Z, …) if F acts block by block",
         vital=True)
def acts_block_by_block(method, seed):
    needs(method, "direct_sums")
    (Y, t, h, F), (Z, _, _, G), W = draw(seed), draw(seed + 1), np.ones((3, 1))
    fields = F, G, lambda t, W: -W

    def blocks(X, fields):
        return step(method, DirectSum(X), t, h, lambda t, P: DirectSum(
            [F(t, X) for F, X in zip(fields, P.blocks, strict=True)])).blocks

    alone = step(method, Y, t, h, F), step(method, Z, t, h, G), *blocks([W], fields[2:])
    pairs = zip(blocks([Y, Z, W], fields), alone, strict=True)
    return max(norm(dense(X) - dense(one)) / norm(one) for X, one in pairs), 1e-12


@theorem("F tangent, h → 0  ⟹  Y1 = Y + h F(t, Y) + O(h²), four blocks that drive each other",
         seeds=20)
def follows_coupled_fields(method, seed):
    needs(method, "direct_sums")
    if seed % 2:
        needs(method, "complex")
    return increment_error(method, *draw_tangent(seed, (float, complex)[seed % 2], couple=True))


@theorem("what F returns may be LowRank, sparse, a LinearOperator, or a DirectSum of these",
         seeds=16)
def takes_fields_of_any_kind(method, seed):
    """The step of the same field as an ndarray, to 1e-6 of what it adds."""
    needs(method, "operators", *["complex"] * (seed % 2), *["direct_sums"] * (seed % 8 > 5))
    Y, t, h, rate, F = draw_tangent(seed, (float, complex)[seed % 2], couple=seed % 8 > 5)
    kinds = list(KINDS)
    h = 100 * h

    def other(t, Z):
        G = F(t, Z)
        if not hasattr(G, "blocks"):
            return KINDS[kinds[seed // 2 % 4]](G)
        return DirectSum([KINDS[kinds[k % 3]](X) for k, X in enumerate(G.blocks)])

    plain = step(method, Y, t, h, F)
    return norm(dense(step(method, Y, t, h, other)) - dense(plain)), 1e-6 * h * rate * norm(Y)


def increment_error(method, Y, t, h, rate, F):
    """Largest ‖Y1 − Y − hF‖ / ‖hF‖ of the blocks; what h · rate and rounding allow."""
    asked_if_kept(method, Y)
    Y1, G = (getattr(X, "blocks", (X,)) for X in (dense(step(method, Y, t, h, F)), F(t, Y)))
    blocks = [dense(X).astype(np.result_type(X.dtype, np.float64))
              for X in getattr(Y, "blocks", (Y,))]
    errors = [norm(X1 - X - h * D) / norm(h * D) for X1, X, D in zip(Y1, blocks, G, strict=True)]
    small, eps = h * rate, np.finfo(G[0].dtype).eps
    return max(errors), 100 * small + 10 * eps / small
