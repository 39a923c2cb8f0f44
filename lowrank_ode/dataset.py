"""Examples with labels, or with numbers to regress, for training and for a test."""

import math
import numbers
import operator
from dataclasses import dataclass

import numpy as np

from .arrays import classes_of, examples, targets
from .generators import generator


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Training and test examples with their labels, checked when built (ValueError).

    name                  what was really used, in words
    x, test_x             (N, inputs), (M, inputs): finite floats; `load` gives float32 in [0, 1]
    labels, test_labels   (N,), (M,): integers in [0, classes); `load` gives int64. Or targets for
                          the loss "mean_squares", (N, classes), (M, classes): finite floats
    shape                 of an example: (height, width, channels), in this order in each row of x,
                          or (inputs,), the default, where nothing is known of it
    names                 of the classes, as labels were given; None where nothing is known of them
    """
    name: str
    x: np.ndarray
    labels: np.ndarray
    test_x: np.ndarray
    test_labels: np.ndarray
    classes: int
    shape: tuple | None = None
    names: tuple | None = None

    def __repr__(self):
        what = "classes" if self.labels.ndim == 1 else "targets"
        return (f"<Data {self.name}: x {self.x.shape} of {self.x.dtype}, "
                f"examples of shape {self.shape}, {self.classes} {what}>")

    def __post_init__(self):
        self._expect(_counts([self.classes]), "classes", "a whole number ≥ 1", self.classes)
        for x_name, labels_name in (("x", "labels"), ("test_x", "test_labels")):
            x, labels = getattr(self, x_name), getattr(self, labels_name)
            self._expect(_is_array(x, 2, "f"), x_name, "an array (N, inputs) of floats", _what(x))
            self._expect(len(x) > 0, x_name, "at least one row", _what(x))
            self._expect_finite(x_name, x)
            self._check_labels(labels_name, labels, x_name, len(x))
        self._expect(self.test_x.shape[1] == self.x.shape[1], "test_x",
                     f"{self.x.shape[1]} columns, as in x", self.test_x.shape[1])
        self._expect(self.test_labels.ndim == self.labels.ndim, "test_labels",
                     "integers, or targets, as labels are", _what(self.test_labels))
        self._expect(self.names is None or len(self.names) == self.classes, "names",
                     f"one for each of {self.classes} classes", self.names)
        inputs = self.x.shape[1]
        shape = (inputs,) if self.shape is None else self.shape
        self._expect(isinstance(shape, tuple) and len(shape) in (1, 3) and _counts(shape)
                     and math.prod(shape) == inputs, "shape",
                     f"(height, width, channels) or (inputs,) of {inputs} numbers", shape)
        object.__setattr__(self, "shape", shape)

    def _check_labels(self, name, labels, x_name, count):
        if not _is_array(labels, 2, "f"):
            self._expect(_is_array(labels, 1, "iu"), name, "an array (N,) of integers, or "
                         "targets (N, classes) of floats", _what(labels))
        self._expect(len(labels) == count, name,
                     f"one label for each of the {count} rows of {x_name}", len(labels))
        if labels.ndim == 1:
            low, high = labels.min(), labels.max()
            self._expect(0 <= low and high < self.classes, name,
                         f"integers in [0, {self.classes})", f"{low} to {high}")
        else:
            self._expect(labels.shape[1] == self.classes, name,
                         f"{self.classes} columns, one for each target", _what(labels))
            self._expect_finite(name, labels)

    def _expect_finite(self, name, X):
        if not np.isfinite(X).all():
            row, column = np.argwhere(~np.isfinite(X))[0]
            self._expect(False, name, "finite values", f"{X[row, column]} at [{row}, {column}]")

    def _expect(self, condition, argument, expected, found):
        if not condition:
            raise ValueError(f"Data {self.name!r}: {argument}: expected {expected}, found {found}")

    @classmethod
    def from_arrays(cls, x, y, *, test=0.2, regression=False, shape=None, rng=None, name="arrays"):
        """Data of one's own: x rows (N, inputs) or images (N, height, width[, channels]), y a label
        for each, text or whole numbers, whose different values become the classes 0, 1, … in order
        (`names` keeps them). x and y are arrays or what is made one, such as a DataFrame. Bytes
        (uint8) are scaled from 0…255 to [0, 1], and `name` says so; other numbers are kept.

        test: a part of the examples, about as much of each class, drawn by rng as in `load`; or
        (test_x, test_y). regression: y are targets (N,) or (N, outputs) for the loss
        "mean_squares". shape: (height, width, channels) of images that are rows.
        Raises ValueError for numbers that are missing or not finite, for labels that are no whole
        numbers, and if a part has no example.

        >>> data = Data.from_arrays([[0.0, 1.0]] * 5 + [[1.0, 0.0]] * 5, ["cat"] * 5 + ["dog"] * 5)
        >>> data.names, data.labels.shape, data.test_labels.shape
        (('cat', 'dog'), (8,), (2,))
        """
        given = test if isinstance(test, tuple | list) else None
        if given is not None and len(given) != 2:
            raise ValueError(f"test: got {len(given)} entries, expected (test_x, test_y), or a "
                             "part")
        parts = [("x", x, shape), ("test x", given[0], shape)] if given else [("x", x, shape)]
        (x, shape, done), *rest = (examples(*part) for part in parts)
        ys = [y, given[1]] if given else [y]
        if regression:
            ys, names = [targets(*pair) for pair in zip(("y", "test y"), ys, strict=False)], None
        else:
            ys, names = classes_of(*ys)
        if len(ys[0]) != len(x):
            raise ValueError(f"y: got {len(ys[0])}, expected one for each of the {len(x)} rows "
                             "of x")
        origin = f"of one's own{done and ', '}{done}"
        about = ys[0].shape[1] if regression else len(names), shape, names
        if not given:
            return split(name, origin, x, ys[0], rng, check_part("test", test), *about)
        (test_x, _, also), = rest
        if also != done:
            raise ValueError(f"test x: got {also or 'floats'}, expected {done or 'floats'}, as x")
        return assembled(name, origin, x, ys[0], test_x, ys[1], *about)


    @classmethod
    def with_validation(cls, x, y, *, validation=0.2, rng=None, **options):
        """(data, choosing): data as of `from_arrays`, with its test examples, and what `hold_out`
        makes of it, whose test examples are a part of the training ones, to choose settings by.

        rng draws both; options and ValueErrors are those of `from_arrays`.

        >>> data, choosing = Data.with_validation(np.eye(10), [0, 1] * 5, validation=0.25)
        >>> [len(part) for part in (choosing.x, choosing.test_x, data.test_x)]
        [6, 2, 2]
        """
        check_part("validation", validation)
        rng = generator(rng)
        data = cls.from_arrays(x, y, rng=rng, **options)
        return data, hold_out(data, validation, rng)


def hold_out(data, fraction, rng=None):
    """`Data` whose test images are a fraction of the training images of `data`, about as much of
    each class: to choose epochs and settings by, without a look at the test images of `data`, which
    are not in it. rng as in `load`.

    ValueError unless 0 < fraction < 1, and if one of the parts has no image.

    >>> from lowrank_ode.data import load
    >>> data = load("digits")
    >>> [len(part) for part in (data.x, hold_out(data, 0.25).x, hold_out(data, 0.25).test_x)]
    [1438, 1079, 359]
    """
    if not isinstance(data, Data):
        raise ValueError(f"data: got {data}, expected Data, as of load")
    return split("validation", f"of {data.name}", data.x, data.labels, rng,
                 check_part("fraction", fraction), data.classes, data.shape, data.names)


def check_part(name, fraction):
    """The fraction; ValueError unless 0 < fraction < 1."""
    if not (isinstance(fraction, numbers.Real) and 0 < fraction < 1):
        raise ValueError(f"{name}: got {fraction}, expected a part of the training images "
                         "between 0 and 1")
    return fraction


def split(name, origin, x, labels, rng, fraction=1 / 5, classes=None, shape=None, names=None):
    """`Data` from one set: a fraction of each class, to the nearest integer, is set apart for the
    test, of targets a fraction of all; then both parts are shuffled."""
    rng, is_test = generator(rng), np.zeros(len(x), dtype=bool)
    kinds = labels if labels.ndim == 1 else np.zeros(len(x))
    for c in np.unique(kinds):
        members = rng.permutation(np.flatnonzero(kinds == c))
        is_test[members[:round(fraction * len(members))]] = True
    train, test = (rng.permutation(np.flatnonzero(part)) for part in (~is_test, is_test))
    return assembled(name, origin, x[train], labels[train], x[test], labels[test], classes, shape,
                     names)


def assembled(name, origin, x, labels, test_x, test_labels, classes=None, shape=None, names=None):
    """`Data` whose name tells the numbers of examples; labels as int64."""
    name = f"{name} ({len(x)} train / {len(test_x)} test images, {origin})"
    labels, test_labels = (y.astype(np.int64) if y.ndim == 1 else y for y in (labels, test_labels))
    return Data(name, x, labels, test_x, test_labels, classes or int(labels.max()) + 1, shape,
                names)


def _is_array(a, ndim, kinds):
    """Of these kinds of numbers, and no mask or other rules of its own that would be ignored."""
    return (isinstance(a, np.ndarray) and not isinstance(a, np.ma.MaskedArray | np.matrix)
            and a.ndim == ndim and a.dtype.kind in kinds)


def _what(a):
    """Of any argument, in words."""
    if not isinstance(a, np.ndarray):
        return type(a).__name__
    kind = f"a {type(a).__name__} of " if isinstance(a, np.ma.MaskedArray | np.matrix) else ""
    return f"{kind}shape {a.shape} of {a.dtype}"


def _counts(values):
    """Whether all are whole numbers ≥ 1."""
    try:
        return all(operator.index(n) >= 1 for n in values)
    except TypeError:
        return False


