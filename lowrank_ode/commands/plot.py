"""A picture of a run: loss, accuracy and ranks against the steps."""

import io
from pathlib import Path

from ..results import check_writable, write_whole

FORMATS = (".png", ".pdf", ".svg")


def check_plot(path):
    """Raise now what `plot` would after the run: ValueError, OSError, ImportError."""
    if Path(path).suffix not in FORMATS:
        raise ValueError(f"--plot: got {str(path)!r}, expected a name ending in "
                         f"{', '.join(FORMATS)}")
    check_writable(path)
    _figure()


def plot(path, records, accuracy):
    """Draw the records, dicts as of `Record.summary`, to path; accuracy says of which images."""
    figure, steps = _figure()(figsize=(10, 3.2), layout="constrained"), [r["step"] for r in records]
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
    file = io.BytesIO()
    figure.savefig(file, format=Path(path).suffix[1:])
    write_whole(path, file.getvalue())


def _figure():
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('--plot: matplotlib is missing: pip install "lowrank_ode[figures]"'
                          ) from error
    return Figure
