"""Losses of a batch: value, and Δ = ∂value/∂outputs. Outputs are (classes, batch), a column an
example, as in the papers.

One of your own is such a function (outputs, labels) → (value, Δ), given in place of a name. It may
overwrite the outputs.
"""

import numpy as np

from .numerical import numerical


def cross_entropy(outputs, labels):
    """Softmax cross-entropy, mean over the batch; labels (batch,) whole numbers in [0, classes)."""
    classes, batch = outputs.shape
    labels = class_indices(labels, classes, batch)
    outputs = np.ascontiguousarray(outputs)                     # sums over classes are sums of rows
    shifted = outputs - outputs.real.max(axis=0)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=0)
    columns = np.arange(batch)
    loss = (np.log(total) - shifted[labels, columns]).mean()
    delta = exponentials / total
    delta[labels, columns] -= 1
    return loss, delta / batch


def mean_squares(outputs, labels):
    """½ ‖outputs − targets‖² / batch. labels: (batch, classes) real targets, or class indices,
    which stand for unit vectors."""
    classes, batch = outputs.shape
    labels = numerical("labels", labels)
    if labels.ndim == 1:
        labels = np.eye(classes, dtype=outputs.real.dtype)[class_indices(labels, classes, batch)]
    if labels.shape != (batch, classes):
        raise ValueError(f"labels: shape {labels.shape}, expected ({batch}, {classes}) targets or "
                         f"({batch},) class indices")
    if not np.isfinite(labels).all():
        raise ValueError("labels: NaN or Inf in the targets, expected finite numbers")
    difference = outputs - labels.T
    return (difference * difference).sum() / (2 * batch), difference / batch


def determination(outputs, targets):
    """R² = 1 − Σ ‖y − ŷ‖² / Σ ‖y − ȳ‖² of outputs ŷ and targets y, (batch, classes) both, ȳ the
    mean of these targets: 1 where all are met, 0 for the best constant. Where the targets do not
    differ it is 1 if they are met, else 0. ValueError for other shapes, and for NaN or Inf."""
    targets = numerical("labels", targets)
    if targets.shape != outputs.shape or not np.isfinite(targets).all():
        raise ValueError(f"labels: shape {targets.shape}, expected finite targets {outputs.shape}")
    left = float(((targets - outputs) ** 2).sum())
    spread = float(((targets - targets.mean(axis=0)) ** 2).sum())
    return 1 - left / spread if spread else float(left == 0)


def class_indices(labels, classes, batch):
    """labels as an array; ValueError unless it is (batch,) whole numbers in [0, classes)."""
    labels = numerical("labels", labels, "iu", "whole numbers")
    if labels.shape != (batch,):
        raise ValueError(f"labels: shape {labels.shape}, expected ({batch},)")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels: range [{labels.min()}, {labels.max()}], "
                         f"expected class indices in [0, {classes})")
    return labels


LOSSES = {"cross_entropy": cross_entropy, "mean_squares": mean_squares}


def loss_of(given):
    """The loss of that name, or the one given; ValueError for anything else."""
    if callable(given):
        return given
    if not isinstance(given, str) or given not in LOSSES:
        raise ValueError(f"loss: got {given!r}, expected a function of outputs and labels, "
                         f"or one of {', '.join(LOSSES)}")
    return LOSSES[given]
