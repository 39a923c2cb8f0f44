"""Data of one's own, from arrays and tables: what comes in is what is trained on, scaled only where
it is said, or refused by name. Files are in test_own_files.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_data import X, Y, rows_of
from strategies import seeds

from lowrank_ode.data import Data, hold_out
from lowrank_ode.nets import Network, mlp
from lowrank_ode.nets.layers import Dense
from lowrank_ode.nets.losses import determination
from lowrank_ode.training import train

RNG = np.random.default_rng(1)


class Table:
    """As a DataFrame is one: its numbers come by __array__."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


@pytest.mark.parametrize("given, names", [
    (Y, (0, 1, 2, 3)), (Y.tolist(), (0, 1, 2, 3)), (3 * Y - 4, (-4, -1, 2, 5)),
    (Y.astype(float), (0, 1, 2, 3)), (Y.astype(np.uint8), (0, 1, 2, 3)), (Y > 1, (False, True)),
    (np.array(["d", "c", "b", "a"])[Y], tuple("abcd")), (Table(Y), (0, 1, 2, 3)),
    (np.array(["d", "c", "b", "a"], object)[Y], tuple("abcd")),
    (Y.astype(object), (0, 1, 2, 3)), (np.where(Y == 0, -1, 1), (-1, 1)),
], ids=lambda x: type(x).__name__)
def test_every_example_keeps_its_label_whatever_labels_are(given, names):
    """Planted: labels that are shifted by one row."""
    data = Data.from_arrays(X, given)
    assert data.names == names and data.classes == len(names)
    truth = sorted(zip(map(tuple, X.tolist()), np.asarray(given).tolist(), strict=True))
    assert rows_of(data) == truth
    shifted = np.roll(np.asarray(given), 1).tolist()
    assert rows_of(data) != sorted(zip(map(tuple, X.tolist()), shifted, strict=True))


@given(st.integers(1, 5), st.floats(0.1, 0.9), seeds)
def test_a_part_of_each_class_is_held_out_the_same_for_the_same_seed(classes, part, seed):
    y = np.random.default_rng(seed).integers(0, classes, 40)
    x = np.arange(40.0)[:, None]
    data, again = (Data.from_arrays(x, y, test=part, rng=seed) for _ in range(2))
    for k, name in enumerate(data.names):
        assert sum(data.test_labels == k) == round(part * sum(y == name))
    assert np.array_equal(data.x, again.x) and np.array_equal(data.test_x, again.test_x)
    assert sorted([*data.x[:, 0], *data.test_x[:, 0]]) == x[:, 0].tolist()


def test_a_test_set_of_ones_own_stays_as_it_is_and_shares_the_classes():
    data = Data.from_arrays(X[:12], ["b"] * 12, test=(X[12:], ["a"] * 8))
    assert data.names == ("a", "b") and set(data.labels) == {1} and set(data.test_labels) == {0}
    assert np.array_equal(data.x, X[:12]) and np.array_equal(data.test_x, X[12:])
    assert "12 train / 8 test" in data.name


@pytest.mark.parametrize("shape, expected", [
    ((20, 4, 3), (4, 3, 1)), ((20, 4, 3, 2), (4, 3, 2)), ((20, 6), (6,)),
    ((20, 3, 8, 3), (3, 8, 3))])
def test_bytes_are_scaled_and_it_is_said_so(shape, expected):
    x = RNG.integers(0, 256, shape).astype(np.uint8)
    x.flat[0] = 255
    data = Data.from_arrays(x, Y, test=(x, Y))
    assert data.shape == expected and data.x.dtype == np.float32 and data.x.max() == 1
    assert np.array_equal(data.x, (x / np.float32(255)).reshape(20, -1))
    assert "uint8 scaled to [0, 1]" in data.name
    for other, said in ((x.astype(int), "int64 not scaled"), (x / 2, "of one's own)")):
        data = Data.from_arrays(other, Y, test=(other, Y))
        assert np.array_equal(data.x, other.reshape(20, -1)) and said in data.name


@pytest.mark.parametrize("dtype, found", [
    (np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64),
    (bool, np.float32), (np.int8, np.float64), (np.int64, np.float64), (object, np.float64)])
def test_numbers_are_kept(dtype, found):
    x = RNG.integers(0, 2, (20, 6)).astype(float).astype(dtype)
    data = Data.from_arrays(Table(x), Y, test=(Table(x), Y))
    assert data.x.dtype == found and np.array_equal(data.x, x.astype(float))


def test_rows_may_be_images():
    assert Data.from_arrays(X, Y, shape=(1, 2, 3)).shape == (1, 2, 3)
    assert Data.from_arrays(X, Y, shape=(1, 2, 3), test=(X, Y)).shape == (1, 2, 3)
    with pytest.raises(ValueError, match=r"shape: expected .* of 6 numbers, found \(2, 2, 3\)"):
        Data.from_arrays(X, Y, shape=(2, 2, 3))


def changed(array, place, value):
    array = np.array(array)
    array[place] = value
    return array


@pytest.mark.parametrize("x, y, options, words", [
    (changed(X, (2, 1), np.nan), Y, {"test": (X, Y)},
     r"x: expected finite values, found nan at \[2, 1\]"),
    (X, changed(Y.astype(float), 3, np.nan), {},
     "y: got nan in row 3, expected labels: text or whole"),
    (X, changed(Y.astype(float), 3, 0.5), {},
     "y: got 0.5 in row 3, expected labels.*regression=True"),
    (X, changed(Y.astype(float), 3, np.inf), {}, "y: got inf in row 3"),
    (X, Y[:, None], {}, r"y: got shape \(20, 1\), expected a label for each row"),
    (X, Y[:7], {}, "y: got 7, expected one for each of the 20 rows of x"),
    (X, np.array(["a", None] * 10), {}, "y: got an array of object, expected real numbers"),
    (X, Y + 1j, {}, "y: got an array of complex128"),
    (X, None, {}, "y: got object, expected an array"),
    (X, np.ma.masked_equal(Y, 1), {}, "y: got a masked array"),
    (np.ma.masked_less(X, 0), Y, {}, "x: got a masked array, whose mask would be ignored"),
    (X.astype(str), Y, {}, "x: got an array of <U32, expected real numbers"),
    ([[1.0], [2.0, 3.0]], [0, 1], {}, "x: setting an array element with a sequence"),
    (X[0], Y, {}, r"x: got shape \(6,\), expected rows \(N, inputs\) or images"),
    (X[:0], Y[:0], {}, r"x: got shape \(0, 6\), expected rows"),
    (3, Y, {}, "x: got int64, expected an array"),
    (np.ones((20, 3, 8, 8)), Y, {},
     r"x: got shape \(20, 3, 8, 8\), expected channels last: x.transpose"),
    (X, Y, {"test": 0}, "test: got 0, expected a part"),
    (X, Y, {"test": 1.0}, "test: got 1.0, expected"),
    (X, Y, {"test": "x"}, "test: got x, expected a part"),
    (X, Y, {"test": (X,)}, "test: got 1 entries"),
    (X, Y, {"test": 0.01}, "test_x: expected at least one row"),
    (X, Y, {"test": (X[:, 1:], Y)}, "test_x: expected 6 columns, as in x, found 5"),
    (X, Y, {"test": (X[:3], Y)},
     "test_labels: expected one label for each of the 3 rows of test_x"),
    (X, Y, {"test": (X, Y.astype(str))},
     "test y: got <U.*, expected labels like those of y, int64"),
    (X, Y, {"test": (np.ones((3, 6), np.uint8), Y[:3])},
     "test x: got uint8 scaled.*, expected floats, as x"),
    (X, X[:, :1] * np.nan, {"regression": True}, r"labels: expected finite values, found nan"),
    (X, np.ones((20, 1, 1)), {"regression": True}, r"y: got shape \(20, 1, 1\), expected targets"),
    (X, ["a"] * 20, {"regression": True}, "y: got an array of <U1, expected real numbers"),
    (X, X[:, :2], {"regression": True, "test": (X, X[:, :3])}, "test_labels: expected 2 columns"),
    (X, Y, {"rng": -1}, "rng: got -1"),
])
def test_what_is_no_data_is_refused_by_name(x, y, options, words):
    with pytest.raises(ValueError, match=words):
        Data.from_arrays(x, y, **options)


def test_a_sparse_matrix_is_refused():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match="x: got object, expected an array"):
        Data.from_arrays(sparse.csr_array(X), Y)


def test_a_data_frame_is_a_table_of_numbers():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    frame["label"] = pandas.Categorical(np.array(["p", "q", "r", "s"])[Y])
    data = Data.from_arrays(frame.drop(columns="label"), frame["label"])
    assert data.names == tuple("pqrs") and rows_of(data) == rows_of(
        Data.from_arrays(X, np.array(["p", "q", "r", "s"])[Y]))
    whole = pandas.DataFrame({"a": pandas.array([1, 2] * 10, "Int64"), "b": 0.5})
    assert np.array_equal(Data.from_arrays(whole, Y, test=(whole, Y)).x, [[1, 0.5], [2, 0.5]] * 10)
    whole.loc[3, "a"] = pandas.NA
    with pytest.raises(ValueError, match=r"^(x|Data 'arrays.*: x): "):
        Data.from_arrays(whole, Y)


def test_targets_are_regressed_by_mean_squares_and_the_accuracy_is_R2():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 4))
    data = Data.from_arrays(x, x @ rng.standard_normal((4, 2)), regression=True)
    assert (data.labels.shape, data.test_labels.shape, data.names) == ((160, 2), (40, 2), None)
    assert "2 targets" in repr(data) and hold_out(data, 0.25).test_labels.shape == (40, 2)
    net = Network((4,), (Dense(2, "identity"),), "mean_squares")
    *_, last = train(net, net.init(0), data, "dense", 0.3, batch_size=20, epochs=30)
    assert 1 - 1e-6 < last.accuracy <= 1
    residual = np.sum((net.outputs(last.params, data.test_x) - data.test_labels) ** 2)
    spread = np.sum((data.test_labels - data.test_labels.mean(axis=0)) ** 2)
    assert last.accuracy == 1 - residual / spread
    one = Data.from_arrays(x, x[:, 0], regression=True)
    assert one.labels.shape == (160, 1) and one.classes == 1


@pytest.mark.parametrize("net, words", [
    (mlp([6, 2]), "labels: got float64, expected whole numbers"),
    (mlp([6, 3], loss="mean_squares"),
     r"labels: shape \(2, 2\), expected finite targets \(2, 3\)")])
def test_targets_and_a_loss_that_takes_none_are_refused_before_training(net, words):
    data = Data.from_arrays(X, X[:, :2], regression=True)
    with pytest.raises(ValueError, match=words):
        train(net, net.init(0), data, "dense", 0.1)


def test_R2_is_1_for_what_is_met_0_for_the_mean_and_negative_for_worse():
    y = RNG.standard_normal((9, 2))
    mean = np.tile(y.mean(axis=0), (9, 1))
    assert determination(y, y) == 1 and abs(determination(mean, y)) < 1e-14
    assert determination(-y, y) < 0
    ones = np.ones((3, 1))
    assert determination(ones, ones) == 1 and determination(0 * ones, ones) == 0
    assert type(determination(y, y)) is type(determination(ones, ones)) is float
    with pytest.raises(ValueError, match="labels: shape"):
        determination(y, y * np.nan)


def test_names_are_as_many_as_classes():
    with pytest.raises(ValueError, match="names: expected one for each of 4 classes, found"):
        Data("mine", X, Y, X, Y, 4, names=("a",))
    assert hold_out(Data.from_arrays(X, Y), 0.5).names == (0, 1, 2, 3)


def parts(data, choosing):
    """Rows of the three parts, which together are those of X, as sets."""
    return [{tuple(row) for row in part} for part in (choosing.x, choosing.test_x, data.test_x)]


@pytest.mark.parametrize("rng", [None, 3])
def test_training_validation_and_test_examples_in_one_call(rng):
    """Apart, stratified, nothing lost, drawn by rng. Planted: the test set to choose by."""
    x = RNG.standard_normal((100, 3))
    labels = np.repeat([0, 1], [20, 80])
    data, choosing = Data.with_validation(x, labels, test=0.25, validation=0.2, rng=rng)
    train_rows, validation, test = parts(data, choosing)
    assert (len(train_rows), len(validation), len(test)) == (60, 15, 25)
    assert train_rows | validation | test == {tuple(row) for row in x}
    assert [int(part.sum()) for part in (choosing.test_labels, data.test_labels)] == [12, 20]
    again = parts(*Data.with_validation(x, labels, test=0.25, validation=0.2, rng=rng))
    other = parts(*Data.with_validation(x, labels, test=0.25, validation=0.2, rng=7))
    assert again == [train_rows, validation, test] != other
    one, two = (parts(*Data.with_validation(x, labels, test=(x[:9], labels[:9]), rng=seed))[1]
                for seed in (1, 2))
    assert one != two                                               # the validation part, too
    wrong = parts(data, data)
    assert wrong[0] | wrong[1] == train_rows | validation | test and wrong[1] == test
    with pytest.raises(ValueError, match="validation: got 1, expected a part"):
        Data.with_validation(x, labels, validation=1)
