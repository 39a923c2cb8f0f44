"""CIFAR-10 by name, or by the path of its archive: small ones, made as in test_cifar.py."""

import numpy as np
import pytest
from cifar_files import archive

from lowrank_ode import cifar
from lowrank_ode.__main__ import main
from lowrank_ode.cifar import read_cifar10
from lowrank_ode.data import load


def test_it_is_loaded_by_the_path_of_an_archive_or_by_name_from_a_folder(tmp_path, monkeypatch):
    """By name there is no download. Planted: any archive, of whatever hash."""
    monkeypatch.delenv("LOWRANK_ODE_DATA", raising=False)
    for kind, name in (("bin", "cifar-10-binary.tar.gz"), ("py", "cifar-10-python.tar.gz")):
        path, sha256 = archive(tmp_path / name, kind)
        with pytest.raises(ValueError, match=f"{name}: wrong SHA-256"):
            load(path)
        monkeypatch.setitem(cifar.SHA256, sha256, f"batches-{kind}")
        with pytest.raises(FileNotFoundError, match=r"cifar10: .*_DATA.*not downloaded"):
            load("cifar10")
        with monkeypatch.context() as during:
            during.setenv("LOWRANK_ODE_DATA", str(tmp_path))
            found = load(str(path)), load("cifar10")
        truth = read_cifar10(path, sha256)
        for data in found:
            assert data.shape == (32, 32, 3) and data.names[3] == "cat" and name in data.name
            assert np.array_equal(data.x, truth.x) and np.array_equal(data.labels, truth.labels)
    monkeypatch.setenv("LOWRANK_ODE_DATA", str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match=r"empty'.*expected .*cifar-10-python"):
        load("cifar10")


def test_a_network_is_trained_on_an_archive_from_the_command_line(tmp_path, monkeypatch, capsys):
    path, sha256 = archive(tmp_path / "small.tar.gz")
    monkeypatch.setitem(cifar.SHA256, sha256, "batches-py")
    main(["train", "--data", str(path), "--widths", "8", "--epochs", "1", "--batch", "5",
          "--lr", "0.001", "--rank", "2", "--tau", "0"])
    assert "CIFAR-10 (10 train / 4 test images" in capsys.readouterr().out
