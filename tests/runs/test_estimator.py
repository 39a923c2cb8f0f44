"""LowRankClassifier is what scikit-learn calls a classifier, and works without it."""

import subprocess
import sys

import numpy as np
import pytest

from lowrank_ode import LowRank, LowRankClassifier

SMALL = {"hidden": (16,), "epochs": 10, "batch_size": 16, "lr": 0.2}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 5)) + 3 * np.eye(5)[np.arange(90) % 3]
Y = np.array(["a", "b", "c"])[np.arange(90) % 3]


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_finds_nothing_wrong():
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    results = checks.check_estimator(LowRankClassifier(**SMALL), on_skip=None, on_fail=None)
    wrong = [(row["check_name"], row["exception"]) for row in results if row["status"] == "failed"]
    assert not wrong and sum(row["status"] == "passed" for row in results) > 40


class Places(LowRankClassifier):
    """Planted: places of labels in the place of labels."""

    def predict(self, X):
        return self._outputs(X).argmax(axis=1)


class Unscaled(LowRankClassifier):
    """Planted: exponentials that do not sum to 1."""

    def predict_proba(self, X):
        return np.exp(self._outputs(X))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrong, check", [(Places, "check_classifiers_classes"),
                                          (Unscaled, "check_classifiers_train")])
def test_an_estimator_with_an_error_is_rejected(wrong, check):
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with pytest.raises(AssertionError):
        getattr(checks, check)(wrong.__name__, wrong(**SMALL))


def test_labels_probabilities_and_score_agree():
    model = LowRankClassifier(**SMALL).fit(X, Y)
    P = model.predict_proba(X)
    assert model.classes_.tolist() == ["a", "b", "c"] and P.shape == (90, 3)
    assert np.abs(P.sum(axis=1) - 1).max() <= 3 * np.finfo(float).eps and P.min() >= 0
    assert np.array_equal(model.predict(X), model.classes_[P.argmax(axis=1)])
    assert model.score(X, Y) == np.mean(model.predict(X) == Y) > 0.9
    assert np.array_equal(model.decision_function(X).argmax(axis=1), P.argmax(axis=1))


def test_hidden_weights_are_of_low_rank_and_tau_makes_them_smaller():
    few, many = (LowRankClassifier(**SMALL | {"hidden": (40, 40), "tau": tau}).fit(X, Y)
                 for tau in (0.5, 0.01))
    assert [isinstance(W, LowRank) for W in few.params_.blocks[::2]] == [True, True, False]
    assert few.ranks_ < many.ranks_ and len(many.ranks_) == 2


def test_the_same_seed_is_the_same_model_and_a_fit_starts_anew():
    one, other, again = (LowRankClassifier(**SMALL, random_state=seed).fit(X, Y)
                         for seed in (1, 2, 1))
    P = one.predict_proba(X)
    assert np.array_equal(P, again.predict_proba(X))
    assert not np.array_equal(P, other.predict_proba(X))
    assert np.array_equal(P, one.fit(X, Y).predict_proba(X))
    LowRankClassifier(**SMALL, random_state=np.random.RandomState(0)).fit(X, Y)


def test_parameters_are_shown_and_set():
    model = LowRankClassifier(tau=0.2)
    assert repr(model) == "LowRankClassifier(tau=0.2)" and model.get_params()["epochs"] == 10
    assert model.set_params(tau=0.3, lr=(0.2, 0.1)) is model and model.lr == (0.2, 0.1)
    with pytest.raises(ValueError,
                       match="Invalid parameter 'tua' for LowRankClassifier, expected some"):
        model.set_params(tua=1)


@pytest.mark.parametrize("changed, words", [
    ({"tau": -1}, "tau: got -1"), ({"tau": 1}, r"tau: got 1, expected a number in \[0, 1\)"),
    ({"hidden": (0,)}, "hidden: got 0"), ({"hidden": (2.5,)}, "hidden: got 2.5"),
    ({"lr": 0}, "lr: got 0"), ({"epochs": 0}, "epochs: got 0"),
    ({"batch_size": 0}, "batch_size: got 0"), ({"activation": "sine"}, "activation: got 'sine'"),
    ({"random_state": -1}, "random_state: got -1"),
    ({"rank": 99}, "rank: got 99"), ({"hidden": (), "rank": 3}, "rank: got 3 for a single layer")])
def test_arguments_that_are_no_good_are_named_by_fit(changed, words):
    model = LowRankClassifier(**SMALL | changed)
    with pytest.raises(ValueError, match=words):
        model.fit(X, Y)


@pytest.mark.parametrize("x, y, words", [
    (X * np.nan, Y, "Input X contains NaN"), (X, Y[:3], "y should be a 1d array of 90 labels"),
    (X + 1j, Y, "Complex data not supported: X"), (X[0], Y, "Expected 2D array"),
    (X, np.linspace(0, 1, 90), "Unknown label type: continuous"), (X, None, "the target y is None"),
    (X.astype(str), Y, "X: got an array of <U"), (X[:0], Y[:0], r"Found array with 0 sample\(s\)")])
def test_data_that_are_none_are_refused(x, y, words):
    with pytest.raises(ValueError, match=words):
        LowRankClassifier(**SMALL).fit(x, y)


def test_before_fit_there_is_no_prediction():
    with pytest.raises(ValueError, match="not fitted yet: call fit"):
        LowRankClassifier().predict(X)


def test_the_package_does_not_import_scikit_learn():
    code = ("import sys; from lowrank_ode import LowRankClassifier as C; import numpy as np\n"
            "X = np.eye(4); C((4,), epochs=1).fit(X, [0, 1, 0, 1]).score(X, [0, 1, 0, 1])\n"
            "sys.exit(any(name.split('.')[0] == 'sklearn' for name in sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
