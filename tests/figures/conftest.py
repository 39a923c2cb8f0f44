"""The planted figure, for all tests of this folder."""

from planted_figure import planted  # noqa: F401
