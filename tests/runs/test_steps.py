"""A few real low-rank steps of a residual network, and what they take of memory."""


import json
from itertools import pairwise

import numpy as np
import pytest
from measures import peak_of

from lowrank_ode import DLRT, LowRank, steps
from lowrank_ode.integrators import BY_NAME
from lowrank_ode.nets import buffers
from lowrank_ode.nets.architectures import ARCHITECTURES, resnet_cifar
from lowrank_ode.nets.images import Flatten
from lowrank_ode.nets.norms import BatchNorm
from lowrank_ode.steps import first_steps, largest_batch, main, memory, problem, ranks_of
from lowrank_ode.training import gradient_field


@pytest.mark.parametrize("name", ["dlrt", "geolora"])
def test_resnet_20_takes_low_rank_steps_and_its_loss_falls(name):
    """32 × 32 × 3, float32, 8 images, rank 8 in all convolutions. Planted: steps uphill."""
    net, method = resnet_cifar(20), BY_NAME[name](0, max_rank=8)
    params, x, labels = problem(net, 8, 8)
    after, losses, seconds = first_steps(net, params, x, labels, method, 0.05, 3)
    assert len(losses) == 4 and len(seconds) == 3 and min(seconds) > 0
    assert all(later < sooner for sooner, later in pairwise(losses))
    for old, new in zip(params.blocks, after.blocks, strict=True):
        assert old.shape == new.shape and new.dtype == np.float32
        assert isinstance(old, LowRank) == isinstance(new, LowRank)
        assert not isinstance(new, LowRank) or new.rank == old.rank == 8
    F = gradient_field(net, x, labels)
    uphill = method.step(params, 0, 0.05, lambda t, Y: -F(t, Y))
    assert net.value(uphill, x, labels) > losses[0]


@pytest.mark.parametrize("batch", [4, 12])
def test_the_estimate_is_no_less_than_what_is_taken_and_at_most_half_as_much_again(
        monkeypatch, batch):
    """Planted: what normalisations keep for the way back left out. A convolution at every pixel
    keeps its inputs, no window of them."""
    net = resnet_cifar(20)
    params, x, labels = problem(net, 8, batch)
    buffers._free.clear()
    peak = peak_of(lambda: first_steps(net, params, x, labels, DLRT(0, max_rank=8), 0.05, 2))
    ranks = ranks_of(net, 8)
    assert peak <= memory(net, ranks, batch) <= 1.5 * peak
    monkeypatch.setattr(steps, "Flatten", (Flatten, BatchNorm))
    assert memory(net, ranks, batch) < 0.9 * peak


def test_the_largest_batch_that_fits_is_the_largest():
    for name in ("resnet20", "resnet18", "vgg16"):
        net = ARCHITECTURES[name]()
        for limit in (2**31, 2**33):
            ranks = ranks_of(net, 16)
            fits = largest_batch(net, ranks, limit)
            assert memory(net, ranks, fits) <= limit < memory(net, ranks, fits + 1)
        assert largest_batch(net, ranks, 1) == 0
        assert memory(net, ranks, 2, 8) == 2 * memory(net, ranks, 2)


def test_the_command_says_what_it_takes_and_writes_what_came_out(tmp_path, capsys):
    main(["resnet20", "--batch", "2", "--steps", "2", "--rank", "4", "--lr", "0.02", "--method",
          "geolora", "--out", str(tmp_path / "run.json")])
    said, result = capsys.readouterr().out, json.loads((tmp_path / "run.json").read_text())
    assert "resnet20: about 0.0" in said and "after 2 steps  loss" in said
    assert len(result["losses"]) == 3 and result["ranks"] == [4] * 19
    assert result["losses"][-1] < result["losses"][0] and result["settings"]["lr"] == 0.02


@pytest.mark.parametrize("options, message", [
    (["vgg16", "--batch", "1000", "--memory", "24"],
     r"error: batch: got 1000, expected at most \d\d for 24.0 GiB"),
    (["vgg16", "--memory", "0.5"], "error: batch: got 2, expected at most 0 for 0.5 GiB"),
    (["resnet20", "--batch", "0"], "error: batch: got 0"),
    (["resnet20", "--rank", "0"], "error: rank: got 0"),
    (["resnet20", "--lr", "-1"], "error: lr: got -1.0, expected a step size > 0"),
    (["resnet20", "--out", "no/such/folder/x.json"], "error: .*no/such/folder")])
def test_what_does_not_fit_is_said_before_anything_is_allocated(
        monkeypatch, capsys, options, message):
    monkeypatch.setattr(steps, "first_steps", None)
    if "--lr" not in options:
        monkeypatch.setattr(steps, "problem", None)
    with pytest.raises(SystemExit, match=message):
        main(options)
    said = capsys.readouterr().out
    assert "--memory" not in options or "about" in said


def test_a_blow_up_is_named():
    net = resnet_cifar(8, shape=(8, 8, 3))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"lr: got 1e\+30, the losses"):
        first_steps(net, *problem(net, 4, 4), DLRT(0, max_rank=4), 1e30, 1)
