"""A classifier with the interface of scikit-learn, which need not be installed."""

import inspect
import sys
import warnings

import numpy as np

from .data import Data
from .generators import generator
from .integrators import DLRT
from .nets import mlp
from .options import check_count, check_number
from .training import ranks, train

FEWEST = 16         # rank of a weight at the start, at least, if it has as many rows and columns

class LowRankClassifier:
    """A fully connected network whose hidden weights are of low rank, trained by DLRT [SZKCT22].

    hidden         widths of the hidden layers
    tau            relative tolerance of the truncation, in [0, 1): more keeps smaller ranks
    rank           of the start; None: a quarter of each weight, but FEWEST if there are as many
    lr             step size, or several that share the epochs evenly
    batch_size     examples in a batch
    epochs         passes over the examples
    activation     of the hidden layers, a name or an Activation
    random_state   a seed or a Generator, of start and batches; None is the seed 0

    `fit` finds classes_ (labels in order), net_ (the Network), params_ (its parameters), ranks_,
    n_features_in_ and, from a DataFrame, feature_names_in_. Numbers are used as they are: scale
    features to about 1 before. Arguments are checked by `fit`, as in scikit-learn.

    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 10)
    >>> y = np.array(["even", "odd", "odd", "even"] * 10)
    >>> LowRankClassifier((16, 16), tau=0.05, epochs=60, batch_size=8).fit(X, y).score(X, y)
    1.0
    """

    def __init__(self, hidden=(500, 500, 500, 500), tau=0.1, rank=None, lr=0.1, batch_size=128,
                 epochs=10, activation="relu", random_state=None):
        self.hidden = hidden
        self.tau = tau
        self.rank = rank
        self.lr = lr
        self.batch_size = batch_size
        self.epochs = epochs
        self.activation = activation
        self.random_state = random_state

    def fit(self, X, y):
        """self, trained. X (n, features) and y (n,) labels, text or whole numbers.

        Raises ValueError for arguments and data that are no good, and if training diverges.
        """
        x = self._rows(X, first=True)
        self.classes_, labels = np.unique(_labels(y, len(x)), return_inverse=True)
        rng = generator(_seed(self.random_state), "random_state")
        tau = check_number("tau", self.tau, "a number in [0, 1)", lambda tau: 0 <= tau < 1)
        hidden = tuple(check_count("hidden", n) for n in np.atleast_1d(self.hidden))
        self.net_ = mlp([x.shape[1], *hidden, len(self.classes_)], self.activation)
        params = self.net_.init(rng, self._rank(), np.float32)
        data = Data("given", x, labels, x[:1], labels[:1], len(self.classes_))
        records = train(self.net_, params, data, DLRT(tau), self.lr, self.batch_size, self.epochs,
                        rng)
        *_, last = records
        self.params_, self.ranks_ = last.params, ranks(last.params)
        return self

    def decision_function(self, X):
        """Outputs of the network, (n, classes); of two classes the difference, (n,)."""
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs

    def predict_proba(self, X):
        """The softmax of the outputs, (n, classes)."""
        outputs = self._outputs(X).astype(np.float64)
        exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def predict(self, X):
        """The label of the largest output, (n,)."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def score(self, X, y):
        """The fraction of examples whose label is predicted."""
        predicted = self.predict(X)
        return float(np.mean(predicted == _labels(y, len(predicted))))

    def get_params(self, deep=True):
        """The arguments that it was made with, by name; deep is without meaning here."""
        return {name: getattr(self, name) for name in _names(type(self))}

    def set_params(self, **params):
        """self, with other arguments; ValueError for an unknown one."""
        for name, value in params.items():
            if name not in _names(type(self)):
                raise ValueError(f"Invalid parameter {name!r} for {type(self).__name__}, expected "
                                 f"some of {', '.join(_names(type(self)))}")
            setattr(self, name, value)
        return self

    def __repr__(self):
        defaults = inspect.signature(type(self)).parameters
        given = (f"{name}={value!r}" for name, value in self.get_params().items()
                 if value is not defaults[name].default and value != defaults[name].default)
        return f"{type(self).__name__}({', '.join(given)})"

    def __sklearn_tags__(self):
        """For scikit-learn, which is there if it asks."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags
        return Tags(estimator_type="classifier", target_tags=TargetTags(required=True),
                    classifier_tags=ClassifierTags(), input_tags=InputTags())

    def _rank(self):
        """Of each weight; the last is dense."""
        sizes = [*map(min, self.net_.weight_shapes[:-1])]
        if self.rank is None:
            return [*(min(n, max(FEWEST, n // 4)) for n in sizes), None]
        return self.rank

    def _outputs(self, X):
        if not hasattr(self, "params_"):
            raise _of_sklearn("NotFittedError", ValueError)(
                f"This {type(self).__name__} is not fitted yet: call fit(X, y) first")
        return self.net_.outputs(self.params_, self._rows(X))

    def _rows(self, X, first=False):
        """X as floats (n, features), the features those of `fit`; ValueError for other ones."""
        names = _feature_names(X)
        x = _array("X", X)
        if x.ndim != 2:
            raise ValueError(f"Expected 2D array, got array of shape {x.shape} instead. Reshape "
                             "your data: X.reshape(-1, 1) for one feature, X.reshape(1, -1) for "
                             "one example")
        for what, count in (("sample", len(x)), ("feature", x.shape[1])):
            if not count:
                raise ValueError(f"Found array with 0 {what}(s) (shape={x.shape}) while a minimum "
                                 "of 1 is required.")
        if not np.isfinite(x).all():
            raise ValueError("Input X contains NaN or infinity, expected finite numbers")
        if first:
            self.n_features_in_ = x.shape[1]
            vars(self).pop("feature_names_in_", None)
            if names is not None:
                self.feature_names_in_ = names
        self._check_features(x.shape[1], names)
        return x

    def _check_features(self, count, names):
        known = getattr(self, "feature_names_in_", None)
        if known is not None and names is not None and not np.array_equal(known, names):
            unseen, missing = (list(dict.fromkeys(a for a in one if a not in set(other)))
                               for one, other in ((names, known), (known, names)))
            lines = ["The feature names should match those that were passed during fit."]
            for title, found in (("Feature names unseen at fit time:", unseen),
                                 ("Feature names seen at fit time, yet now missing:", missing)):
                lines += [title, *(f"- {name}" for name in found)] if found else []
            if not (unseen or missing):
                lines.append("Feature names must be in the same order as they were in fit.")
            raise ValueError("\n".join(lines) + "\n")
        if count != self.n_features_in_:
            raise ValueError(f"X has {count} features, but {type(self).__name__} is expecting "
                             f"{self.n_features_in_} features as input")
        if (known is None) != (names is None):
            has, lacks = ("X has", "was fitted without") if known is None else (
                "X does not have valid", "was fitted with")
            warnings.warn(f"{has} feature names, but {type(self).__name__} {lacks} feature names",
                          UserWarning, stacklevel=4)


def _names(kind):
    return [name for name in inspect.signature(kind).parameters]


def _feature_names(X):
    """The names of the columns of a DataFrame, if all are text; else None."""
    columns = getattr(X, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return np.array(list(columns), object)


def _array(name, X):
    """X as an array of floats, single or double."""
    if hasattr(X, "tocsr"):
        raise TypeError(f"{name}: Sparse data was passed, but dense data is required: X.toarray()")
    X = np.asarray(X)
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} of {X.dtype}, expected real numbers")
    if X.dtype.kind == "O":
        X = X.astype(np.float64)                        # says what it cannot convert
    if X.dtype.kind not in "biuf":
        raise ValueError(f"{name}: got an array of {X.dtype}, expected numbers")
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)


def _labels(y, count):
    """Labels (count,), text or whole numbers."""
    if y is None:
        raise ValueError("LowRankClassifier requires y to be passed, but the target y is None")
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        warnings.warn("A column-vector y was passed when a 1d array was expected: y.ravel()",
                      _of_sklearn("DataConversionWarning", UserWarning), stacklevel=3)
        y = y.ravel()
    if y.ndim != 1 or len(y) != count:
        raise ValueError(f"y should be a 1d array of {count} labels, got an array of shape "
                         f"{y.shape} instead")
    if y.dtype.kind == "c":
        raise ValueError("Complex data not supported: y, expected labels")
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity, expected labels")
        if (y != np.floor(y)).any():
            raise ValueError("Unknown label type: continuous, expected text or whole numbers")
    return y


def _seed(random_state):
    """What `generator` takes, also of a RandomState."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return random_state


def _of_sklearn(name, otherwise):
    """A class of sklearn.exceptions where that is in use, else another one."""
    return getattr(sys.modules.get("sklearn.exceptions"), name, otherwise)
