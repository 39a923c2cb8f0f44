"""Parameter counts: every published number is reproduced by a convention with a name, an undercount
among them."""

import numpy as np
import pytest

from figures import _published as published
from lowrank_ode.compression import CONVENTIONS, count_parameters, count_weights
from lowrank_ode.nets import mlp

WIDTHS = [(width, tau) for width, (_, rows) in published.DENSE_NETS.items() for tau in rows]
CORRECT_SLIDES = {0.07: 154400, 0.09: 98700, 0.11: 78850, 0.13: 62305, 0.15: 50605, 0.2: 29260,
                  0.3: 18880, 0.4: 12490, 0.45: 10090}


def dense_net(width):
    return [(width, 784), *[(width, width)] * 3, (10, width)]


@pytest.mark.parametrize("width, tau", WIDTHS)
def test_the_published_dense_net_counts(width, tau):
    ranks, _, evaluation, training = published.DENSE_NETS[width][1][tau]
    assert count_weights(dense_net(width), [*ranks, None], "eval_KV") == evaluation
    assert count_weights(dense_net(width), [*ranks, None], "train_paper") == training


@pytest.mark.parametrize("tau", published.LENET_ARXIV)
def test_the_published_lenet_counts(tau):
    ranks, _, evaluation, training = published.LENET_ARXIV[tau]
    assert count_weights(published.LENET_SHAPES, ranks, "eval_KV") == evaluation
    assert count_weights(published.LENET_SHAPES, ranks, "eval_USV") == training


@pytest.mark.parametrize("tau", published.LENET_SLIDES)
def test_the_slides_count_training_right_and_miss_the_right_factor_in_prediction(tau):
    """Published are Σ r(n + 1) + 5000 numbers for prediction; the network needs Σ r(n + m) + 5000,
    between 1.5 and 2.7 times as many."""
    ranks, _, _, evaluation, training = published.LENET_SLIDES[tau]

    def count(convention):
        return count_weights(published.LENET_SHAPES, [*ranks, None], convention)

    assert count("published_slides_eval") == evaluation and count("train_buffers_grads") == training
    assert count("eval_KV") == CORRECT_SLIDES[tau] and 1.5 < CORRECT_SLIDES[tau] / evaluation < 2.7
    buffers, shapes = count("train_buffers") - 5000, published.LENET_SHAPES
    gradients = sum(r * (n + m) + 4 * r**2 for r, (n, m) in zip(ranks, shapes, strict=False))
    assert count("train_buffers_grads") == 10000 + buffers + gradients


def test_the_dense_networks():
    assert count_weights(published.LENET_SHAPES, [None] * 4) == published.LENET_WEIGHTS
    for width, weights in published.DENSE_NET_WEIGHTS.items():
        assert count_weights(dense_net(width), [None] * 5) == weights


def test_no_convention_explains_the_column_of_another():
    """Planted: each published column under each other convention fails, so a test above that mixed
    them up would fail."""
    def explains(convention, index):
        rows = [(width, published.DENSE_NETS[width][1][tau]) for width, tau in WIDTHS]
        return all(count_weights(dense_net(width), [*row[0], None], convention) == row[index]
                   for width, row in rows)

    found = [c for c in CONVENTIONS for index in (2, 3) if explains(c, index)]
    assert found == ["eval_KV", "train_paper"]
    for rows, index, last, right in (
            (published.LENET_SLIDES, 3, [None], "published_slides_eval"),
            (published.LENET_SLIDES, 4, [None], "train_buffers_grads"),
            (published.LENET_ARXIV, 2, [], "eval_KV")):
        fits = [convention for convention in CONVENTIONS if all(
            count_weights(published.LENET_SHAPES, [*row[0], *last], convention) == row[index]
            for row in rows.values())]
        assert fits == [right]


def test_parameters_of_a_network_are_counted_as_its_blocks_store_them():
    """Ranks 3 and 5 of a 6-20-20-2 network: K and V of each, the dense last layer, the biases."""
    params = mlp([6, 20, 20, 2]).init(np.random.default_rng(0), [3, 5, None])
    assert count_parameters(params) == 3 * 26 + 20 + 5 * 40 + 20 + 40 + 2
    stored = sum(X.size for block in params.blocks
                 for X in (block if hasattr(block, "rank") else [block]))
    assert count_parameters(params, "eval_USV") == stored


@pytest.mark.parametrize("arguments, message", [
    (([(3, 4)], [1], "eval"), "convention: got 'eval', expected one of eval_KV"),
    (([(3, 4)], [1, 2]), "ranks: got 2, expected one for each of 1"),
    (([(3, 4)], [4]), r"ranks: got 4 for a layer of shape \(3, 4\)"),
    (([(3, 4)], [0]), "expected a whole number ≥ 1 and ≤ 3"),
    (([(3, 4)], [1.5]), r"ranks: got 1\.5")])
def test_bad_counts_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        count_weights(*arguments)
