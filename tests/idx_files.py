"""IDX files made on the fly: four small ones of the usual names, raw or gzipped."""

import gzip

import numpy as np
import pytest

from lowrank_ode.data import IDX_NAMES

ROW = np.array([0, 255, 3, 7, 11, 200], dtype=np.uint8)
IMAGES = ROW // np.arange(1, 6, dtype=np.uint8)[:, None]
LABELS = np.array([0, 1, 2, 1, 1], dtype=np.uint8)
FOUR = dict(zip(IDX_NAMES, (IMAGES.reshape(5, 3, 2), LABELS,
                            IMAGES[1:3].reshape(2, 3, 2), LABELS[1:3]), strict=True))
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = IDX_NAMES


def idx(array):
    """The bytes of an IDX file that holds array, uint8 of any shape."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def written(path, content, zipped=False):
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


def folder_of(path, zipped=False, changed=()):
    """A folder with the four files; changed gives another array to a name, or None for no file."""
    path.mkdir(exist_ok=True)
    for name, array in (FOUR | dict(changed)).items():
        if array is not None:
            written(path / (name + ".gz" * zipped), idx(array), zipped)
    return path


zipped_or_not = pytest.mark.parametrize("zipped", [False, True], ids=["raw", "gz"])
