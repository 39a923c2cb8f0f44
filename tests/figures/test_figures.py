"""The committed pictures: the JSON bears out each claim (the first sentence of the caption), and
redraws the picture without computing."""

import importlib
import os
from pathlib import Path

import numpy as np
import pytest

from figures import _run, rank_evolution
from figures.__main__ import NAMES, main
from lowrank_ode.results import read_json

MODULES = [importlib.import_module(f"figures.{name}") for name in NAMES]


def stored(name, scale="default"):
    return read_json(_run.paths(name, scale)[0])


def robust_to_small_singular_values(data):
    """The robust methods: slope 1 above the floor, within a factor 8 of each other over all σ₃,
    down to twice the floor."""
    for name in ("projector splitting", "BUG", "adaptive BUG"):
        errors = np.array([curve["errors"][name] for curve in data["curves"]], float)
        floors = np.array([[curve["floor"]] for curve in data["curves"]])
        slope = np.log2(errors[0, 0] / errors[0, 2]) / 2
        near = errors.max(axis=0) < 8 * errors.min(axis=0)
        if not near.all() or not (errors[:, -1:] < 2 * floors).all() or abs(slope - 1) > 0.1:
            return False
    return True


def test_singular_values_claim():
    data = stored("singular_values")
    assert {curve["sigma"] for curve in data["curves"]} >= {1.0, 1e-16}
    assert robust_to_small_singular_values(data)
    naive = {curve["sigma"]: np.array([np.inf if v is None else v
                                       for v in curve["errors"]["S⁻¹ factor ODE"]])
             for curve in data["curves"]}
    assert (naive[1e-12] > 1).all() and np.isinf(naive[1e-16]).all() and naive[1e-8][0] > 1
    assert naive[1.0][0] < 0.1
    for curve in data["curves"]:      # planted: the naive curves in the place of BUG's are rejected
        curve["errors"]["BUG"] = [1e9 if v is None else v
                                  for v in curve["errors"]["S⁻¹ factor ODE"]]
    assert not robust_to_small_singular_values(data)


def jumps_where_euler_is_unstable(data, euler):
    """From h = 3/λ on errors are ten times those of all h below 2/λ, the limit;
    just above it they need not be."""
    h, limit = np.array(data["h"]), 2 / data["largest_curvature"]
    return min(euler[h > 1.5 * limit]) > 10 * max(euler[h < limit])


def test_gradient_flow_claim():
    """Planted: an error proportional to h throughout."""
    data = stored("gradient_flow")
    rank = data["ranks"].index(data["settings"]["rank"])
    for layer in data["layers"]:
        for name, distances in layer["against_h"].items():
            if name != "DLRT":
                assert distances[-1] <= 3 * layer["floor"] and distances[-1] < distances[0] / 10
        assert layer["floors"][rank] == pytest.approx(layer["floor"])
    euler = np.array(data["layers"][1]["against_h"]["DLRT"])
    assert abs(np.log2(euler[-2] / euler[-1]) - 1) < 0.1
    assert jumps_where_euler_is_unstable(data, euler)
    assert not jumps_where_euler_is_unstable(data, np.array(data["h"]))


@pytest.mark.parametrize("scale", ["default", "full"])
def test_rank_evolution_claim(scale):
    data = stored("rank_evolution", scale)
    final = {}
    for name in ("0.05", "0.15"):
        records = data["runs"][name]["records"]
        early = next(r for r in records if r["step"] >= 100)
        final[name] = np.array(records[-1]["ranks"])
        assert early["step"] == 100
        still = 0.05 * data["settings"]["start_rank"]
        assert (np.array(early["ranks"]) - final[name] <= still).all()
        assert records[-1]["accuracy"] > early["accuracy"]
    assert (final["0.15"] < final["0.05"]).all()
    assert (final["0.05"] < data["settings"]["start_rank"]).all()


def test_full_mnist_reaches_its_numbers():
    data = stored("rank_evolution", "full")
    last = {name: run["records"][-1] for name, run in data["runs"].items()}
    assert "60000 train / 10000 test" in data["data"]
    assert last["0.15"]["accuracy"] >= 0.972 and last["0.15"]["epoch"] <= 10
    assert max(last["0.15"]["ranks"]) <= 40
    assert last["0.05"]["accuracy"] >= 0.982 and last["0.05"]["epoch"] <= 30
    assert last["dense"]["accuracy"] >= 0.982


def test_the_table_in_the_readme_is_that_of_the_stored_results():
    readme = (_run.FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert all(row in readme for row in rank_evolution.table(stored("rank_evolution", "full")))


def test_stored_results_are_those_of_the_settings_in_the_code():
    for module in MODULES:
        assert stored(module.__name__.rpartition(".")[2])["settings"] == module.SETTINGS["default"]
    assert stored("rank_evolution", "full")["settings"] == rank_evolution.SETTINGS["full"]


def test_conformance_claim():
    for name, method in stored("conformance")["methods"].items():
        for claim, cell in method["claims"].items():
            assert cell["claimed"] is None or cell["holds"] == bool(cell["claimed"]), (name, claim)
            assert cell["measured"] is None or cell["holds"] == (cell["measured"] <= cell["bound"])


def test_stagnation_claim():
    data = stored("stagnation")
    for curve in data["curves"]:
        frozen = [h * data["slope_at_start"] <= curve["theta"] for h in data["h"]]
        assert all(rank == 1 for rank, still in zip(curve["ranks"], frozen, strict=True) if still)
        if curve["theta"] < 0.1:                # U-shaped
            least = int(np.argmin(curve["errors"]))
            assert 0 < least < len(data["h"]) - 1
            assert min(curve["errors"][0], curve["errors"][-1]) > 5 * curve["errors"][least]
    assert any(any(h * data["slope_at_start"] <= curve["theta"] for h in data["h"])
               for curve in data["curves"])


def test_orders_claim():
    """Slope over the last two halvings of h: to 0.02 on the well-conditioned start, to 0.3 on the
    other, where order 3 is surpassed."""
    for spectrum, allowed in zip(stored("orders")["spectra"], (0.02, 0.3), strict=True):
        assert min(spectrum["sigma"]) == (0.3 if allowed == 0.02 else 1e-8)
        for name, curve in spectrum["curves"].items():
            slope = np.log2(curve["errors"][-3] / curve["errors"][-1]) / 2
            assert abs(slope - curve["order"]) <= allowed, (name, slope)


def test_bound_tightness_claim():
    data = stored("bound_tightness")
    error = np.array(data["run"]["error"])
    bound = np.sum(list(data["run"]["terms"].values()), axis=0)
    assert (error <= bound).all() and len(error) == len(data["t"]) == data["settings"]["steps"]
    for values in data["ratios"].values():
        assert len(values) == data["settings"]["draws"] and 0.9 <= max(values) <= 1 + 1e-9
    assert (np.array(data["ratios"]["Theorem 1, DLRT"]) > 0.3).mean() > 0.1


def test_conservation_claim():
    runs, lost = stored("conservation")["runs"], np.array(stored("conservation")["tails"])
    for what in ("square", "energy"):
        size = {name: np.abs(run[what]).max() for name, run in runs.items()}
        assert size["projector splitting"] < 1e-10
        assert max(size["adaptive BUG"], size["midpoint BUG"]) < 0.01
        assert min(size["BUG"], size["parallel BUG"]) > 0.1
    assert np.abs(lost + runs["adaptive BUG"]["square"]).max() < 1e-10 and lost[-1] > 1e-4


def test_lubich_oseledets_claim():
    for panel in stored("lubich_oseledets")["panels"]:
        ratio = {name: np.array(errors) / panel["best"] for name, errors in panel["errors"].items()}
        naive = ratio.pop("S⁻¹ factor ODE")
        assert all((values[1:] <= 1.1).all() and (values >= 1).all() for values in ratio.values())
        if panel["noise"] == 1e-6:
            assert (naive > (80 if panel["rank"] == 10 else 500)).all()


def test_every_figure_has_a_caption_that_ends_its_first_sentence_and_stored_results():
    for name in NAMES:
        caption = importlib.import_module(f"figures.{name}").__doc__
        assert ".\n" in caption and all(path.exists() for path in _run.paths(name, "default"))
    assert NAMES == ["ablation", "accuracy_vs_parameters", "architectures", "bound_tightness",
                     "commensurate", "compress_only", "conformance", "conservation",
                     "front", "gradient_flow", "large_steps", "lenet5_table", "lubich_oseledets",
                     "orders", "rank_evolution", "resnet20", "retrain",
                     "robust_initialisation", "scaling", "singular_values", "stagnation",
                     "svd_pruning", "sweep", "timings", "trainers", "trp", "what_matters"]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_a_picture_is_redrawn_from_its_json_without_computing(module, tmp_path, monkeypatch):
    name = module.__name__.rpartition(".")[2]
    json_path = _run.paths(name, "default")[0]
    monkeypatch.setattr(module, "compute", None)
    monkeypatch.setattr(_run, "paths", lambda *_: (json_path, tmp_path / "a.png"))
    assert _run.redraw(module, "default")["figure"] == name
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_the_command_refuses_unknown_figures(capsys):
    with pytest.raises(SystemExit):
        main(["no_such_figure"])
    assert "conservation, front, gradient_flow" in capsys.readouterr().err
    assert Path(_run.FOLDER / "gradient_flow.py").exists()


def test_what_times_the_machine_runs_only_if_it_is_named_or_with_clock(monkeypatch):
    ran = []
    monkeypatch.setattr(_run, "produce", lambda module, scale: ran.append(module) or {})
    monkeypatch.setattr(_run, "tables", lambda module, data: {})
    for options, expected in (([], set(NAMES) - {"ablation", "scaling", "timings"}),
                              (["timings", "orders"], {"timings", "orders"}),
                              (["--clock"], set(NAMES))):
        for scale in ([], ["--small"]):
            main([*options, *scale])
            assert {module.__name__ for module in ran} == {f"figures.{name}" for name in expected}
            ran.clear()


def test_the_command_prints_the_tables_of_a_figure(capsys, monkeypatch):
    monkeypatch.setattr(_run, "redraw",
                        lambda module, scale: stored(module.__name__.rpartition(".")[2]))
    main(["timings", "--redraw"])
    printed = capsys.readouterr().out
    pages = [path.read_text("utf-8") for path in _run.FOLDER.glob("timings*.md")]
    assert len(pages) == 5 and all(page in printed for page in pages)
    assert "PyTorch / DLRT" in printed
    main(["orders", "--redraw"])
    picture = os.path.relpath(_run.FOLDER / "orders.png")
    assert capsys.readouterr().out == f"orders: {picture}\n"
