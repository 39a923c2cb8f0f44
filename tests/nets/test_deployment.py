"""The network for prediction: the same function, of fewer numbers."""

import numpy as np

from lowrank_ode import DLRT, LowRank
from lowrank_ode.compression import count_parameters, merged
from lowrank_ode.matrices import norm
from lowrank_ode.nets import mlp
from lowrank_ode.training import gradient_field


def test_a_merged_network_predicts_the_same_from_as_many_numbers_as_are_counted():
    rng = np.random.default_rng(0)
    net, x = mlp([6, 20, 15, 3]), rng.standard_normal((9, 6))
    F = gradient_field(net, x, rng.integers(0, 3, 9))
    params = DLRT(0.1).step(net.init(rng, 4), 0.0, 0.1, F)
    small, outputs = merged(params), net.outputs(params, x)
    assert np.abs(net.outputs(small, x) - outputs).max() <= 1e-13 * np.abs(outputs).max()
    numbers = sum(X.U.size + X.V.size if isinstance(X, LowRank) else X.size for X in small.blocks)
    assert numbers == count_parameters(params, "eval_KV") < count_parameters(params, "eval_USV")
    assert norm(merged(params.blocks[0]) - params.blocks[0]) <= 1e-14 * norm(params.blocks[0])
