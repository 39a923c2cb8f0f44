"""What a compression method tells of its result, layer by layer."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """A weight layer: its place among `net.parts`, all layers in the order of their blocks, the
    shape (n outputs, m inputs) of its matrix, how that is kept, in how many groups of channels, at
    which rank (None: dense); the relative error ‖W − Ŵ‖₂/‖W‖₂ (None where Ŵ is smaller than W) and
    the bound of it that the method went by; numbers of weight and bias; operations on an example,
    two for each weight and pixel.
    """

    layer: int
    shape: tuple
    scheme: str
    groups: int
    rank: int | None
    error: float | None
    bound: float | None
    numbers: int
    flops: int


@dataclass(frozen=True)
class Report:
    """Rows, one a weight that may be cut; the numbers of everything else; the numbers of the dense
    network, and the operations of the rows' layers in it. `str` is a table."""

    rows: tuple
    other: int
    dense_numbers: int
    dense_flops: int

    @property
    def numbers(self):
        return self.other + sum(row.numbers for row in self.rows)

    @property
    def flops(self):
        return sum(row.flops for row in self.rows)

    @property
    def ranks(self):
        """A rank for each weight layer, None for a dense one."""
        return tuple(row.rank for row in self.rows)

    def summary(self):
        """All of it, as a dict for JSON."""
        return {"rows": [asdict(row) for row in self.rows], "numbers": self.numbers,
                "flops": self.flops, "dense_numbers": self.dense_numbers,
                "dense_flops": self.dense_flops}

    def __str__(self):
        names = "layer", "shape", "scheme", "groups", "rank", "error", "bound", "numbers", "FLOPs"
        table = [names, *(tuple(map(_cell, vars(row).values())) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
                 for line in table]
        return "\n".join([*lines, f"{self.numbers} of {self.dense_numbers} numbers "
                          f"({self.numbers / self.dense_numbers:.1%}), {self.flops} of "
                          f"{self.dense_flops} FLOPs ({self.flops / self.dense_flops:.1%})"])


def _cell(value):
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return "×".join(map(str, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
