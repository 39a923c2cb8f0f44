"""The gradient of a weight, Δ Zᵀ, and the products that it knows: none is taken a second time, and
none is believed that is wrong."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import dtypes, eps_of, random_basis, seeds

from figures._products import products
from lowrank_ode import DLRT, METHODS, DirectSum, LowRank
from lowrank_ode.matrices import H, augment, best_approximation, dense, norm, restrict
from lowrank_ode.nets import Network, gradients, layers, mlp
from lowrank_ode.nets.gradients import Known, gradient
from lowrank_ode.nets.images import Flatten, Patches
from lowrank_ode.nets.layers import Dense
from lowrank_ode.substeps import euler
from lowrank_ode.training import gradient_field

NET, BATCH = mlp([9, 12, 8, 3], "tanh"), 5


def problem(seed=0):
    rng = np.random.default_rng(seed)
    params = NET.init(rng, [3, 2, 3])
    return params, rng.standard_normal((BATCH, 9)), rng.integers(0, 3, BATCH)


def by_hand(params, x, labels):
    """Δ and Z of each weight, an example a column, from weights multiplied out."""
    Ws, bs = dense(params).blocks[::2], params.blocks[1::2]
    Zs = [x.T]
    for W, b in zip(Ws, bs, strict=True):
        Zs.append(np.tanh(W @ Zs[-1] + b) if W is not Ws[-1] else W @ Zs[-1] + b)
    exponentials = np.exp(Zs.pop())
    D = (exponentials / exponentials.sum(axis=0) - np.eye(3)[:, labels]) / BATCH
    found = [(D, Zs[-1])]
    for W, Z, below in zip(Ws[:0:-1], Zs[:0:-1], Zs[-2::-1], strict=True):
        D = (W.T @ D) * (1 - Z * Z)
        found.append((D, below))
    return found[::-1]


@given(seeds)
def test_the_gradient_of_a_weight_is_in_factors_an_example_a_column(seed):
    """Rounding of products with at most 12 terms a layer, relative to what is multiplied."""
    params, x, labels = problem(seed)
    _, grads = NET.value_and_grad(params, x, labels)
    for G, b, (D, Z) in zip(grads.blocks[::2], grads.blocks[1::2], by_hand(params, x, labels),
                            strict=True):
        assert isinstance(G, LowRank) and (G.U.shape, G.V.shape) == (D.shape, Z.shape)
        for found, truth in ((G.U, D), (G.V, Z), (dense(G), D @ Z.T), (b, D.sum(axis=1)[:, None])):
            assert np.abs(found - truth).max() <= 1e-13 * max(1, np.abs(truth).max())
        assert np.abs(dense(G) - 1.001 * D @ Z.T).max() > 1e-5 * np.abs(dense(G)).max()


def products_after(ask, plain=False):
    """Shapes (m, k, n) of the products that `ask(W, G)` takes, for W of the second layer; plain: of
    a gradient that knows nothing."""
    params, x, labels = problem()

    def run(params, x, asked=True):
        _, grads = NET.value_and_grad(params, x, labels)
        W, G = params.blocks[2], grads.blocks[2]
        if asked:
            ask(W, LowRank(*G) if plain else G)

    there, asked = (products(lambda *args, asked=asked: run(*args, asked), params, x)
                    for asked in (False, True))
    return [(*A.shape, B.shape[1]) for A, B, _ in asked[len(there):]]


def of_the_batch(shapes):
    """How many of these multiply Δ or Z, with an example a row, with as many numbers as the layer
    has outputs or inputs, 8 or 12: as both passes do with a basis."""
    return sum(k in (8, 12) and BATCH in (m, n) for m, k, n in shapes)


@pytest.mark.parametrize("ask, known, plain", [
    (lambda W, G: G @ W.V, 0, 1), (lambda W, G: H(G) @ W.U, 0, 1), (lambda W, G: -G @ W.V, 0, 1),
    (lambda W, G: H(2 * G) @ W.U, 0, 1), (lambda W, G: H(H(G)) @ W.V, 0, 1),
    (lambda W, G: restrict(W.U, G, W.V), 0, 2), (lambda W, G: (G + G) @ W.V, 0, 2),
    (lambda W, G: DirectSum([G]) @ DirectSum([W.V]), 0, 1),
    (lambda W, G: restrict(augment(W.U, G @ W.V), G, augment(W.V, H(G) @ W.U)), 2, 6),
    (lambda W, G: G @ W.V.copy(), 1, 1), (lambda W, G: H(G) @ W.U[:, :], 1, 1),
    (lambda W, G: G @ W.V[:, :1], 1, 1), (lambda W, G: H(G) @ np.ones((8, 2)), 1, 1)])
def test_no_product_with_the_batch_is_taken_a_second_time(ask, known, plain):
    """With the very bases, that is; of an augmented one only that with the new columns is. What is
    no such basis is multiplied with, a copy among them. Planted: gradients that know nothing."""
    assert of_the_batch(products_after(ask)) == known
    assert of_the_batch(products_after(ask, plain=True)) == plain


def test_a_known_product_leaves_one_to_take():
    """Δ (ZᵀV0), Z (ΔᵀU0) and (ΔᵀU0)ᵀ (ZᵀV0), sums over the batch."""
    for ask, outputs in ((lambda W, G: G @ W.V, {8, 2}), (lambda W, G: H(G) @ W.U, {12, 2}),
                         (lambda W, G: restrict(W.U, G, W.V), {2})):
        (m, k, n), = products_after(ask)
        assert k == BATCH and {m, n} == outputs


def agrees(G, W):
    """Whether products of G with the bases of W are those of G multiplied out, to the rounding of
    sums of at most 12 and of BATCH terms."""
    D, Z = G.U, G.V
    bound = 20 * np.finfo(float).eps * np.linalg.norm(D) * np.linalg.norm(Z)
    full = dense(G)
    found = ((G @ W.V, full @ W.V), (H(G) @ W.U, H(full) @ W.U),
             (restrict(W.U, G, W.V), H(W.U) @ full @ W.V))
    return all(np.linalg.norm(X - truth) <= bound for X, truth in found)


@given(seeds)
def test_what_a_gradient_knows_is_what_it_is(seed):
    """A copy of the basis gives the same up to rounding, and another basis what belongs to it."""
    params, x, labels = problem(seed)
    _, grads = NET.value_and_grad(params, x, labels)
    for W, G in zip(params.blocks[::2], grads.blocks[::2], strict=True):
        turned = LowRank(W.U[:, ::-1], W.S, W.V[:, ::-1])
        for other in (W, LowRank(*(F.copy() for F in W)), turned):
            assert agrees(G, other)


def of_another_basis(W, D, Z, DU, ZV):
    return gradient(W, D, Z, DU[:, ::-1], ZV[:, ::-1])


@pytest.mark.parametrize("planted", [
    lambda W, D, Z, DU, ZV: gradient(W, D, Z, DU, 1.001 * ZV), of_another_basis,
    lambda W, D, Z, DU, ZV: gradient(W, D, Z, 1.001 * DU, ZV),
    lambda W, D, Z, DU, ZV: gradient(W, D, Z, D @ W.U @ W.S, ZV)],
    ids=["ZV", "columns", "DU", "core"])
def test_wrong_known_products_are_noticed(monkeypatch, planted):
    """By products with the bases, and by a step; the gradient itself is right."""
    params, x, labels = problem()
    right, method = NET.value_and_grad(params, x, labels)[1], DLRT(0, max_rank=2)
    step = method.step(params, 0, 0.1, gradient_field(NET, x, labels))
    monkeypatch.setattr(layers, "gradient", planted)
    wrong = NET.value_and_grad(params, x, labels)[1]
    assert norm(dense(wrong) - dense(right)) <= 1e-14 * norm(right)
    assert agrees(right.blocks[2], params.blocks[2])
    assert not agrees(wrong.blocks[2], params.blocks[2])
    assert norm(method.step(params, 0, 0.1, gradient_field(NET, x, labels)) - step) > 1e-6


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_step_is_the_same_with_gradients_that_know_nothing(method):
    """Up to rounding. Planted: a gradient that is 1e-9 too large."""
    params, x, labels = problem(1)
    method = method(solve=euler) if hasattr(method, "solve") else method()
    F = gradient_field(NET, x, labels)

    def plain(t, P, factor=1):
        return DirectSum([LowRank(factor * G.U, G.S, G.V) if isinstance(G, LowRank) else G
                          for G in F(t, P).blocks])

    found, same, other = (dense(method.step(params, 0, 0.1, field)) for field in
                          (F, plain, lambda t, P: plain(t, P, 1 + 1e-9)))
    assert norm(found - same) <= 1e-13 * norm(found) < norm(found - other)


@given(seeds, dtypes, st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_a_matrix_that_knows_a_product_is_the_matrix(seed, dtype, k, n, r):
    """From both sides, and its adjoint; real and complex."""
    rng, r = np.random.default_rng(seed), min(r, n)
    A, Z = random_basis(rng, max(k, n), min(k, n), dtype), random_basis(rng, n, r, dtype)
    A = A if A.shape == (k, n) else A.conj().T.copy()
    known, left = Known(A, Z, A @ Z), random_basis(rng, k, 1, dtype)
    assert known.shape == H(H(known)).shape == (k, n) and H(known).shape == (n, k)
    assert known.dtype == H(known).dtype == dtype and H(H(known)) is known
    assert known @ Z is known.AX and np.array_equal(H(known).array, A.conj().T)
    for found, truth in ((known @ Z.copy(), A @ Z), (left.T @ known, left.T @ A),
                         (H(known) @ left, A.conj().T @ left), (Z.T @ H(known), Z.T @ A.conj().T)):
        assert isinstance(found, np.ndarray) and found.dtype == dtype
        assert np.abs(found - truth).max() <= 10 * eps_of(A) * n * k


def test_what_knows_a_product_cannot_be_changed_and_is_equal_to_itself_only():
    A = np.eye(3)
    known = Known(A, A, A)
    for X in (known, H(known)):
        assert X == X != type(X)(*vars(X).values()) and hash(X)
        with pytest.raises(FrozenInstanceError):
            X.array = A


def test_a_gradient_may_be_copied_and_sent_to_another_process():
    params, x, labels = problem()
    G, W = NET.value_and_grad(params, x, labels)[1].blocks[2], params.blocks[2]
    for again in (copy.copy(G), copy.deepcopy(G), pickle.loads(pickle.dumps(G))):
        assert np.array_equal(dense(again), dense(G)) and agrees(again, W)
    assert isinstance(G.factors[0], gradients.Adjoint)


@pytest.mark.parametrize("m, n, r, often, once", [
    (135, 135, 1, True, False), (136, 136, 1, False, False), (100, 257, 2, True, False),
    (100, 258, 2, False, False), (7, 7, 2, True, True), (8, 8, 2, True, False)])
def test_kernels_are_multiplied_out_where_they_are_smaller_than_their_products_with_bases(
        m, n, r, often, once):
    """At the limits m n < 4 (r + 16) (m + n) for a gradient, m n < 2 r (m + n) for both passes.
    Without pixels, of images or of a row, weights and gradients are never multiplied out."""
    rng, layer = np.random.default_rng(0), Dense(m, "identity")
    A, delta = rng.standard_normal((3, 2, 2, n)), rng.standard_normal((3, 2, 2, m))
    W, b = best_approximation(rng.standard_normal((m, n)), rank=r), rng.standard_normal((m, 1))
    tolerance = {"rtol": 1e-13, "atol": 1e-13 * n}
    for pixels, factors, in_factors in (((3, 2, 2), not once, not often),
                                        ((3, 4), not once, not often), ((12,), True, True)):
        Z, D = A.reshape(*pixels, n), delta.reshape(*pixels, m)
        out, kept = layer.forward(Z, W, b)
        dA, (G, _) = layer.backward(D.copy(), kept, W, b)
        assert (kept[2] is not None, isinstance(G, LowRank)) == (factors, in_factors)
        assert np.allclose(out, Z @ dense(W).T + b.T, **tolerance)
        assert np.allclose(dA, D @ dense(W), **tolerance)
        assert np.allclose(dense(G), delta.reshape(-1, m).T @ A.reshape(-1, n), **tolerance)


@pytest.mark.parametrize("rank, in_factors", [(1, True), (20, False)])
def test_it_is_the_kernel_of_a_network_that_decides_whether_its_gradient_is_in_factors(
        rank, in_factors):
    """200 × 360: 4 (rank + 16) (200 + 360) is on either side of 200 · 360."""
    net = Network((4, 4, 40), (Patches(3), Dense(200), Flatten(), Dense(3, "identity")))
    rng = np.random.default_rng(0)
    params, x = net.init(rng, [rank, None]), rng.standard_normal((2, 640))
    G, truth = (net.value_and_grad(P, x, np.array([0, 2]))[1].blocks[0]
                for P in (params, dense(params)))
    assert isinstance(G, LowRank) == in_factors
    assert np.allclose(dense(G), dense(truth), rtol=1e-10, atol=1e-12)
