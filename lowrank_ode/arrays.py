"""Examples and labels of one's own, from arrays, tables and files, as `Data` has them."""

import csv
import math
from pathlib import Path

import numpy as np

from .archives import read_arrays

NPZ = ("x", "y", "test_x", "test_y")                    # of a file; test_x and test_y may lack
KERAS = ("x_train", "y_train", "x_test", "y_test")      # the same, as Keras names them
LABEL, TARGET = "label", "target"                       # columns of a CSV file


def examples(name, x, shape=None):
    """(rows (N, inputs) of floats, shape of an example, what was done to them, in words).

    x: rows (N, inputs), or images (N, height, width) or (N, height, width, channels): an array,
    or what is made one, such as a DataFrame. Bytes (uint8) are divided by 255, and become single
    precision, booleans too; other whole numbers become double. shape: of an example, if rows are
    images; else that of x. ValueError for other dimensions and kinds, and for images that seem to
    have their channels first.
    """
    x = numbers(name, x)
    if x.ndim not in (2, 3, 4) or not x.size:
        raise ValueError(f"{name}: got shape {x.shape}, expected rows (N, inputs) or images "
                         "(N, height, width[, channels]), at least one")
    if shape is None:
        shape = (*x.shape[1:], 1) if x.ndim == 3 else x.shape[1:]
        if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] > 4:
            raise ValueError(f"{name}: got shape {x.shape}, expected channels last: "
                             "x.transpose(0, 2, 3, 1), or a shape=(height, width, channels)")
    rows, done = x.reshape(len(x), math.prod(x.shape[1:])), ""
    if x.dtype == np.uint8:
        return np.divide(rows, 255, dtype=np.float32), tuple(shape), "uint8 scaled to [0, 1]"
    if x.dtype.kind in "iu":
        done = f"{x.dtype} not scaled"
    dtype = {"b": np.float32, "i": np.float64, "u": np.float64}.get(
        x.dtype.kind, np.result_type(x.dtype, np.float32))
    return np.ascontiguousarray(rows, dtype), tuple(shape), done


def classes_of(*labels):
    """(integers in [0, classes) for each of the arrays of labels, the different labels in order).

    Labels are text or whole numbers, of any kind. ValueError for others, NaN say, for text beside
    numbers, and for more than one a row.
    """
    labels = [_labels(name, y) for name, y in zip(("y", "test y"), labels, strict=False)]
    if len({y.dtype.kind == "U" for y in labels}) > 1:
        raise ValueError(f"test y: got {labels[1].dtype}, expected labels like those of y, "
                         f"{labels[0].dtype}")
    names = np.unique(np.concatenate(labels))
    return [np.searchsorted(names, y) for y in labels], tuple(names.tolist())


def _labels(name, y):
    y = _array(name, y)
    if y.ndim != 1:
        raise ValueError(f"{name}: got shape {y.shape}, expected a label for each row, (N,); "
                         "numbers to regress are for regression=True")
    if y.dtype.kind == "T" or (y.dtype.kind == "O" and all(isinstance(c, str) for c in y)):
        y = y.astype(str)
    if y.dtype.kind == "U":
        return y
    y = numbers(name, y)
    if y.dtype.kind == "f":
        wrong = np.flatnonzero(~np.isfinite(y) | (y != np.floor(y)))
        if wrong.size:
            raise ValueError(f"{name}: got {y[wrong[0]]} in row {wrong[0]}, expected labels: text "
                             "or whole numbers; numbers to regress are for regression=True")
        y = y.astype(np.int64)
    return y


def targets(name, y):
    """Numbers to regress, (N, outputs) floats, of one output if y is (N,)."""
    y = numbers(name, y)
    if y.ndim not in (1, 2) or not y.size:
        raise ValueError(f"{name}: got shape {y.shape}, expected targets (N,) or (N, outputs)")
    y = y.astype(np.float64 if y.dtype.kind in "biu" else np.result_type(y.dtype, np.float32))
    return y.reshape(len(y), -1)


def numbers(name, X):
    """X as an array of real numbers."""
    X = _array(name, X)
    if X.dtype.kind == "O" and X.ndim:          # of a table whose columns differ
        try:
            X = np.array(X.tolist())
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from error
    if X.dtype.kind not in "biuf":
        raise ValueError(f"{name}: got an array of {X.dtype}, expected real numbers")
    return X


def _array(name, X):
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError(f"{name}: got a masked array, whose mask would be ignored, "
                         "expected an array such as x.filled(0)")
    try:
        X = np.asarray(X)
    except (TypeError, ValueError, RuntimeError) as error:      # ragged, or on a device
        raise ValueError(f"{name}: {error}") from error
    if not X.ndim:
        raise ValueError(f"{name}: got {X.dtype}, expected an array")
    return X


def read_npz(path):
    """(x, y, test) of an .npz file; test is (test_x, test_y), or None without these. Names are
    those of NPZ or of KERAS.

    ValueError: no such file format, other names, or objects in it (they would be pickles).
    """
    arrays, texts = read_arrays(path)
    for names in (NPZ, KERAS):
        if not texts and set(arrays) in (set(names), set(names[:2])):
            x, y, *test = (arrays[name] for name in names if name in arrays)
            return x, y, tuple(test) or None
    raise ValueError(f"{path}: got arrays {', '.join([*arrays, *texts]) or 'none'}, expected "
                     f"{', '.join(NPZ)} (or the first two), or {', '.join(KERAS)}")


def read_csv(path):
    """(x, y, whether y is to be regressed) of a table with a first line of names: one column
    `label`, or columns whose names begin with `target`; the other columns are x.

    ValueError, naming line and column, for what is no number, and for lines of other lengths.
    """
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        names, *lines = [line for line in csv.reader(file) if line] or [[]]
    names = [name.strip() for name in names]
    label = [k for k, name in enumerate(names) if name == LABEL]
    target = [k for k, name in enumerate(names) if name.startswith(TARGET)]
    if len(label) > 1 or bool(label) == bool(target) or len(label + target) == len(names):
        raise ValueError(f"{path}: got {len(names)} columns {', '.join(names[:5])}, …, expected a "
                         f"first line of names, one of them {LABEL!r} (or some {TARGET!r}…, for "
                         "regression), and others")
    if not lines:
        raise ValueError(f"{path}: expected lines behind the names of the columns")
    for k, line in enumerate(lines):
        if len(line) != len(names):
            raise ValueError(f"{path}: line {k + 2}: got {len(line)} columns, expected "
                             f"{len(names)}, as many as names")
    columns = [*zip(*lines, strict=True)]
    x = _column_numbers(path, names, columns, [k for k in range(len(names))
                                               if k not in label + target])
    if label:
        return x, _labels_in(path, columns[label[0]]), False
    return x, _column_numbers(path, names, columns, target), True


def _column_numbers(path, names, columns, which):
    found = np.empty((len(columns[0]), len(which)))
    for place, k in enumerate(which):
        try:
            found[:, place] = columns[k]
        except ValueError:
            wrong = next(i for i, cell in enumerate(columns[k]) if not _is_number(cell))
            raise ValueError(f"{path}: line {wrong + 2}, column {names[k]!r}: got "
                             f"{columns[k][wrong]!r}, expected a number") from None
    return found


def _labels_in(path, cells):
    """A column of labels, as numbers if all of them are; none may lack."""
    if not all(map(str.strip, cells)):
        line = next(k for k, cell in enumerate(cells) if not cell.strip()) + 2
        raise ValueError(f"{path}: line {line}, column {LABEL!r}: got nothing, expected a label")
    return np.array(cells, float) if all(map(_is_number, cells)) else np.array(cells)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
