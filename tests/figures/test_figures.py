"""The committed results: the JSON bears out each claim, the first sentence of the caption; what the
pictures show of it is tested in test_pictures."""

import copy
import importlib
import os
from pathlib import Path

import pytest
from stored import MODULES, stored

from figures import __main__, _run, rank_evolution
from figures.__main__ import NAMES, main


def held(name, scale="default"):
    """(results, claims of them), each of which holds."""
    data, claims = stored(name, scale), importlib.import_module(f"figures.{name}").CLAIMS[scale]
    assert all(claim(data) for claim in claims)
    return data, claims


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_the_claims_of_a_figure_hold_for_the_committed_results(module):
    """Each figure claims something that is committed. Planted errors: figure by figure, below."""
    name = module.__name__.rpartition(".")[2]
    told = [(claim.__name__, scale, claim(stored(name, scale))) for scale in module.CLAIMS
            if _run.paths(name, scale)[0].exists() for claim in module.CLAIMS[scale]]
    assert told and all(holds for *_, holds in told), told


def test_singular_values_claim():
    """Planted: the naive curves in the place of BUG's, and the other way round."""
    data, (robust, fails) = held("singular_values")
    assert {curve["sigma"] for curve in data["curves"]} >= {1.0, 1e-16}
    for curve in data["curves"]:
        errors = curve["errors"]
        naive = [1e9 if v is None else v for v in errors["S⁻¹ factor ODE"]]
        errors["S⁻¹ factor ODE"], errors["BUG"] = errors["BUG"], naive
    assert not robust(data) and not fails(data)


def test_gradient_flow_claim():
    """Planted: errors proportional to h throughout; a floor too far away."""
    data, (near, jumps) = held("gradient_flow")
    rank = data["ranks"].index(data["settings"]["rank"])
    for layer in data["layers"]:
        assert layer["floors"][rank] == pytest.approx(layer["floor"])
    data["layers"][1]["against_h"]["DLRT"] = data["h"]
    assert near(data) and not jumps(data)
    data["layers"][0]["floor"] /= 4
    assert not near(data)


@pytest.mark.parametrize("scale", ["default", "full"])
def test_rank_evolution_claim(scale):
    """Planted: one run for another; a percentage point less."""
    data, (early, *numbers) = held("rank_evolution", scale)
    runs = data["runs"]
    for claim in numbers:
        for name in runs:
            wrong = copy.deepcopy(data)
            wrong["runs"][name]["records"][-1]["accuracy"] -= 0.01
            assert not claim(wrong)
    runs["0.05"], runs["0.15"] = runs["0.15"], runs["0.05"]
    assert not early(data)


def test_the_table_in_the_readme_is_that_of_the_stored_results():
    readme = (_run.FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert all(row in readme for row in rank_evolution.table(stored("rank_evolution", "full")))


def test_stored_results_are_those_of_the_settings_in_the_code():
    for module in MODULES:
        assert stored(module.__name__.rpartition(".")[2])["settings"] == module.SETTINGS["default"]
    assert stored("rank_evolution", "full")["settings"] == rank_evolution.SETTINGS["full"]


def test_conformance_claim():
    """Planted: a theorem that is claimed and does not hold; a bound that is exceeded."""
    data, (claim,) = held("conformance")
    for change in ("holds", "bound"):
        wrong = copy.deepcopy(data)
        cell = wrong["methods"]["BUG"]["claims"]["robust"]
        cell[change] = 0 * cell[change]
        assert cell["claimed"] and not claim(wrong)


def test_stagnation_claim():
    """Planted: errors that fall with h; a rank that grows."""
    data, (shaped, still) = held("stagnation")
    least = min(data["curves"], key=lambda curve: curve["theta"])
    largest = max(data["curves"], key=lambda curve: curve["theta"])
    least["errors"].sort(reverse=True)
    largest["ranks"][-1] += 1
    assert not shaped(data) and not still(data)


def test_orders_claim():
    """Planted: an order claimed that is one too high, of any method."""
    data, (claim,) = held("orders")
    assert [min(spectrum["sigma"]) for spectrum in data["spectra"]] == [0.3, 1e-8]
    for spectrum in data["spectra"]:
        for curve in spectrum["curves"].values():
            curve["order"] += 1
            assert not claim(data)
            curve["order"] -= 1
    assert claim(data)


def test_bound_tightness_claim():
    """Planted: errors a little above the bound; ratios half as large."""
    data, (below, attained) = held("bound_tightness")
    assert len(data["run"]["error"]) == len(data["t"]) == data["settings"]["steps"]
    assert {len(each) for each in data["ratios"].values()} == {data["settings"]["draws"]}
    data["run"]["error"][-1] = 1.01 * sum(each[-1] for each in data["run"]["terms"].values())
    assert not below(data)
    for name, values in data["ratios"].items():
        wrong = {**data, "ratios": {**data["ratios"], name: [x / 2 for x in values]}}
        assert not attained(wrong)


def test_conservation_claim():
    """Planted: one method for another; half of what is cut off."""
    data, (keep, loses) = held("conservation")
    for one, other in (("projector splitting", "BUG"), ("midpoint BUG", "parallel BUG")):
        runs = {**data["runs"], one: data["runs"][other], other: data["runs"][one]}
        assert not keep({**data, "runs": runs})
    data["tails"] = [x / 2 for x in data["tails"]]
    assert not loses(data)


def test_lubich_oseledets_claim():
    """Planted: the factor ODE for BUG, and the other way round."""
    data, (near, far) = held("lubich_oseledets")
    for panel in data["panels"]:
        errors = panel["errors"]
        errors["BUG"], errors["S⁻¹ factor ODE"] = errors["S⁻¹ factor ODE"], errors["BUG"]
    assert not near(data) and not far(data)


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


def test_the_command_refuses_unknown_figures(capsys):
    with pytest.raises(SystemExit):
        main(["no_such_figure"])
    assert "conservation, front, gradient_flow" in capsys.readouterr().err
    assert Path(_run.FOLDER / "gradient_flow.py").exists()


def test_what_takes_long_or_times_the_machine_runs_only_if_it_is_named_or_with_all(monkeypatch):
    ran, seldom = [], __main__.CLOCK + __main__.LONG
    assert {"timings", "sweep"} <= set(seldom) <= set(NAMES) and "orders" not in seldom
    monkeypatch.setattr(__main__, "drawn", lambda name, *_: ran.append(name) or {"scale": "small"})
    for options, expected in (([], set(NAMES) - set(seldom)),
                              (["timings", "orders"], {"timings", "orders"}),
                              (["--all"], set(NAMES))):
        for scale in ([], ["--small"]):
            main([*options, *scale, "--redraw"])
            assert set(ran) == expected and len(ran) == len(expected)
            ran.clear()


def test_the_command_prints_the_tables_of_a_figure(capsys, monkeypatch):
    monkeypatch.setattr(_run, "redraw",
                        lambda module, *_: stored(module.__name__.rpartition(".")[2]))
    main(["timings", "--redraw"])
    printed = capsys.readouterr().out
    pages = [path.read_text("utf-8") for path in _run.FOLDER.glob("timings*.md")]
    assert len(pages) == 5 and all(page in printed for page in pages)
    assert "PyTorch / DLRT" in printed
    main(["orders", "--redraw"])
    picture = os.path.join("results", "orders.png")
    assert capsys.readouterr().out == f"orders: {picture}\n"
