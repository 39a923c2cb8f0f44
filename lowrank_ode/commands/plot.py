"""Pictures of a run, and of weights cut to low rank."""

import io
from pathlib import Path

from ..results import check_writable, write_whole

FORMATS = (".png", ".pdf", ".svg")


def check_plot(path):
    """Raise now what a picture would after the run: ValueError, OSError, ImportError."""
    if Path(path).suffix not in FORMATS:
        raise ValueError(f"--plot: got {str(path)!r}, expected a name ending in "
                         f"{', '.join(FORMATS)}")
    check_writable(path)
    _figure(1, 1)


def plot_run(path, records, accuracy):
    """Draw the records, dicts as of `Record.summary`, to path; accuracy says of which images."""
    figure, steps = _figure(10, 3.2), [r["step"] for r in records]
    for axes, (title, lines) in zip(figure.subplots(1, 3), (
            ("loss", [[r["loss"] for r in records]]),
            (f"{accuracy} accuracy, %", [[100 * r["accuracy"] for r in records]]),
            ("ranks", [*zip(*(r["ranks"] for r in records), strict=True)])), strict=True):
        for k, line in enumerate(lines):
            axes.plot(steps, line, marker="." if len(steps) < 50 else None, label=f"weight {k + 1}")
        axes.set(title=title, xlabel="steps")
        if title == "ranks" and lines:
            axes.set_ylim(bottom=0)
            axes.legend()
    _write(path, figure)


def plot_report(path, report):
    """Draw rank, beside the largest there is, and relative error of each weight to path."""
    figure, places = _figure(8, 1.6 + 0.3 * len(report.rows)), range(len(report.rows))
    ranks, errors = figure.subplots(1, 2, sharey=True)
    full = [min(row.shape[0], row.shape[1] // row.groups) for row in report.rows]
    kept = [row.rank or largest for row, largest in zip(report.rows, full, strict=True)]
    ranks.barh(places, full, color="0.85", label="largest rank")
    ranks.bar_label(ranks.barh(places, kept, label="rank kept, of each group of channels"),
                    [f"{row.groups} × {r}" if row.groups > 1 else str(r)
                     for row, r in zip(report.rows, kept, strict=True)], padding=3)
    ranks.set(xlabel="rank", xscale="log", xlim=(0.8, 2 * max(full)), yticks=places,
              ylim=(len(report.rows) - 0.5, -0.5),
              yticklabels=[str(row.layer) for row in report.rows])
    errors.barh(places, [row.error or 0.0 for row in report.rows])
    errors.set(xlabel="relative error in the operator norm", xlim=(0, 1))
    figure.suptitle(f"{report.numbers / report.dense_numbers:.1%} of the numbers", fontsize=10)
    figure.legend(*ranks.get_legend_handles_labels(), loc="outside lower left", ncols=2)
    _write(path, figure)


def _write(path, figure):
    file = io.BytesIO()
    figure.savefig(file, format=Path(path).suffix[1:])
    write_whole(path, file.getvalue())


def _figure(width, height):
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('--plot: matplotlib is missing: pip install "lowrank_ode[figures]"'
                          ) from error
    return Figure(figsize=(width, height), layout="constrained")
