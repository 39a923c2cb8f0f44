"""What the pictures of integrators on matrix equations should show, from their stored results."""

import numpy as np
from pictures import Panel, panels_of


@panels_of("bound_tightness")
def bound_tightness(data):
    t, run, ratios = data["t"], data["run"], data["ratios"]
    terms = run["terms"]
    bound = [sum(parts) for parts in zip(*terms.values(), strict=True)]
    left = {"error": (t, run["error"]), "bound": (t, bound),
            **{name: (t, terms[name]) for name in ("ε t", "L B h t/2", "ϑ t/h")}}
    right = {f"{name}: largest {max(values):.3f}":
             (np.arange(0.5, len(values)) / len(values), np.sort(values))
             for name, values in ratios.items()}
    return [Panel("along a run of DLRT, h = 0.02", "t", lines=left),
            Panel("error / bound over random problems", lines=right, levels={"y": [1]})]


@panels_of("conformance")
def conformance(data):
    """A ring where the class claims it; a dot where it holds, else a cross; the order claimed."""
    marks, words = [], []
    for y, method in enumerate(data["methods"].values()):
        for x, claim in enumerate(data["settings"]["claims"]):
            cell, place = method["claims"][claim], (x - 0.28, y)
            marks += [("ring", place)] if cell["claimed"] else []
            marks += [("o" if cell["holds"] else "x", place)]
            if claim == "order":
                words.append((f"{cell['claimed']} claimed", (x - 0.1, y)))
            elif claim == "descends" and cell["ratio"] < 0:
                words.append(("< 0", (x - 0.1, y)))
    return [Panel(marks=marks, words=words, ticks=list(data["methods"]))]


@panels_of("conservation")
def conservation(data):
    t = data["t"][1:]
    norm, energy = ({name: (t, np.abs(run[what][1:])) for name, run in data["runs"].items()}
                    for what in ("square", "energy"))
    norm["Σ tail² of adaptive BUG"] = t, data["tails"][1:]
    return [Panel("norm: |‖Y‖² − ‖Y0‖²|", "t", lines=norm),
            Panel("energy: |E(Y) − E(Y0)|", "t", lines=energy)]


@panels_of("gradient_flow")
def gradient_flow(data):
    h, ranks, panels = data["h"], data["ranks"], []
    for layer in data["layers"]:
        name = layer["layer"]
        panels += [Panel(f"{name}, rank 12", ylabel="distance to the exact flow",
                         lines={who: (h, found) for who, found in layer["against_h"].items()},
                         levels={"x": [2 / data["largest_curvature"]], "y": [layer["floor"]]}),
                   Panel(f"{name}, h = 1/32",
                         lines={**{who: (ranks, found)
                                   for who, found in layer["against_rank"].items()},
                                "best rank r": (ranks, layer["floors"])})]
    return panels


@panels_of("lubich_oseledets")
def lubich_oseledets(data):
    return [Panel(f"rank {panel['rank']}{over}, noise {panel['noise']:g}", levels={"y": [1]},
                  lines={name: (data["h"], [error / panel["best"] for error in errors])
                         for name, errors in panel["errors"].items()})
            for panel in data["panels"]
            for over in [", over-approximated" if panel["rank"] == 20 else ""]]


@panels_of("orders")
def orders(data):
    return [Panel(f"order {order},  σ = {', '.join(f'{s:g}' for s in spectrum['sigma'])}",
                  lines={name: (data["h"], curve["errors"])
                         for name, curve in spectrum["curves"].items() if curve["order"] == order})
            for spectrum in data["spectra"] for order in (1, 2, 3)]


@panels_of("scaling")
def scaling(data):
    n, panels = data["n"], []
    for what, unit in (("seconds", 1), ("bytes", 2**30)):
        lines = {name: (n, [value / unit for value in found[what]])
                 for name, found in data["methods"].items()}
        if what == "seconds":
            slopes = {name: np.polyfit(np.log(n), np.log(found["seconds"]), 1)[0]
                      for name, found in data["methods"].items()}
            lines = {f"{name}: slope {slopes[name]:.2f}": line for name, line in lines.items()}
        else:
            lines["n × n"] = n, [8 * k**2 / 2**30 for k in n]
        panels.append(Panel("a step of rank 8" if unit == 1 else "peak memory of a step", "n",
                            "seconds" if unit == 1 else "GiB", lines))
    return panels


@panels_of("singular_values")
def singular_values(data):
    """A cross at the top where a method overflows, or errs by more than 1000."""
    h, panels = data["h"], []
    for name in data["curves"][0]["errors"]:
        lines, marks = {}, []
        for curve in data["curves"]:
            text = "1" if curve["sigma"] == 1 else f"{curve['sigma']:.0e}".replace("e-0", "e-")
            errors = [np.nan if e is None or e >= 1e3 else e for e in curve["errors"][name]]
            lines[text] = h, errors
            marks += [("x", (x, 1e3)) for x, e in zip(h, errors, strict=True) if np.isnan(e)]
        panels.append(Panel(name, "step size h", lines=lines, marks=marks,
                            levels={"y": [max(curve["floor"] for curve in data["curves"])]}))
    return panels


@panels_of("stagnation")
def stagnation(data):
    still = [curve["theta"] / data["slope_at_start"] for curve in data["curves"]]
    return [Panel(f"{what} at t = 4", "step size h", levels={"x": still},
                  lines={f"θ = 1e{round(np.log10(curve['theta']))}": (data["h"], curve[key])
                         for curve in data["curves"]})
            for what, key in (("error", "errors"), ("rank", "ranks"))]


@panels_of("architectures")
def architectures(data):
    from figures.architectures import LABELS
    shown = {row["net"] for row in data["rows"]} - {"vgg16_10"}
    kinds = {"parameters": ("parameters", "weights"), "multiply-adds": ("multiply-adds",)}
    return [Panel(f"saved of the {what}", "share of the full rank",
                  lines={LABELS[name]: (data["settings"]["shares"], net["saved"][what])
                         for name, net in data["nets"].items() if name in shown},
                  marks=[("o", (row["share"], row["published"])) for row in data["rows"]
                         if row["what"] in kinds[what] and row["share"] is not None])
            for what in kinds]


@panels_of("large_steps")
def large_steps(data):
    from figures.architectures import LABELS
    return [Panel(method, "steps",
                  lines={LABELS[name]: (range(4), [loss / net[method]["losses"][0]
                                                   for loss in net[method]["losses"]])
                         for name, net in data["nets"].items()})
            for method in ("DLRT", "GeoLoRA")]
