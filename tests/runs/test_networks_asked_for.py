"""The network that the command line is asked for is the one that is trained: its kind, its image
shape, its activation in every hidden layer."""

import numpy as np
import pytest
from idx_files import TEST_IMAGES, TRAIN_IMAGES, folder_of
from scipy.signal import correlate

from lowrank_ode.__main__ import main, parser
from lowrank_ode.commands import settings
from lowrank_ode.nets import lenet5, mlp
from lowrank_ode.nets.activations import ACTIVATIONS
from lowrank_ode.nets.layers import Dense
from lowrank_ode.results import read_json

SHAPE = (20, 16, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """IDX files of images that are not square."""
    rng = np.random.default_rng(0)
    images = {name: rng.integers(256, size=(n, *SHAPE[:2]), dtype=np.uint8)
              for name, n in ((TRAIN_IMAGES, 5), (TEST_IMAGES, 2))}
    return str(folder_of(tmp_path_factory.mktemp("idx"), changed=images))


def asked(folder, *options):
    """The network of these options, as `train` starts it."""
    parsed = settings.settings_of(parser().parse_args(["train", "--data", folder, *options]))
    return settings.start(parsed, settings.make_data(parsed), np.random.default_rng(0))[0]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_activation_is_that_of_every_hidden_layer_of_either_network(activation, folder):
    """Planted: the default, whatever is asked for; the wrong shape; a perceptron."""
    expected = lenet5(SHAPE, 3, activation), mlp([320, 7, 6, 3], activation)
    options = ("--net", "lenet5"), ("--widths", "7,6")
    for net, said in zip(expected, options, strict=True):
        found = asked(folder, *said, "--activation", activation)
        assert found == net
        assert activations(found) == [activation] * (len(net.weight_shapes) - 1) + ["identity"]
        assert (asked(folder, *said) == net) == (activation == "relu")
    assert lenet5(SHAPE, 3, activation) != lenet5((16, 20, 1), 3, activation) != expected[1]


def activations(net):
    return [layer.activation for layer in net.layers if isinstance(layer, Dense)]


def test_a_run_of_lenet5_trains_lenet5(folder, tmp_path, capsys):
    main(["train", "--data", folder, "--net", "lenet5", "--activation", "tanh", "--epochs", "1",
          "--rank", "2", "--lr", "1e-3", "--out", str(tmp_path / "a.json")])
    assert "network: 320-20-50-500-3, tanh" in capsys.readouterr().out
    said = read_json(tmp_path / "a.json")
    assert (said["settings"]["net"], said["settings"]["activation"]) == ("lenet5", "tanh")
    assert len(said["records"][0]["ranks"]) == 3


def by_hand(params, x, functions):
    """Outputs of LeNet5 on images x of SHAPE with a function of each hidden layer, by scipy's
    correlation, pixel (i, j, channel) of a window in a row."""
    W1, b1, W2, b2, W3, b3, W4, b4 = params.blocks
    out = []
    for A in x.reshape(-1, *SHAPE):
        for W, b, f in ((W1, b1, functions[0]), (W2, b2, functions[1])):
            kernels = W.reshape(len(W), 5, 5, A.shape[2])
            A = np.stack([correlate(A, kernel, "valid")[:, :, 0] for kernel in kernels], axis=2)
            A = f(A + b.ravel())
            m, n = (k // 2 for k in A.shape[:2])
            A = A[:2 * m, :2 * n].reshape(m, 2, n, 2, -1).max(axis=(1, 3))
        z = functions[2](W3 @ A.ravel() + b3.ravel())
        out.append(W4 @ z + b4.ravel())
    return np.array(out)


def test_lenet5_computes_what_scipy_does_with_its_activation_after_all_three_hidden_layers():
    """Planted: none after one of them."""
    net, rng = lenet5(SHAPE, 4, "tanh"), np.random.default_rng(1)
    params = net.init(rng)
    params = type(params)([X + 0.1 * rng.standard_normal(X.shape) for X in params.blocks])
    x = rng.standard_normal((3, net.inputs))
    outputs, functions = net.outputs(params, x), [np.tanh] * 3
    # 500 products in the longest sum, and 3 more layers
    assert np.abs(outputs - by_hand(params, x, functions)).max() <= 1e-12 * np.abs(outputs).max()
    for layer in range(3):
        planted = [*functions[:layer], lambda a: a, *functions[layer + 1:]]
        assert np.abs(outputs - by_hand(params, x, planted)).max() > 1e-2
