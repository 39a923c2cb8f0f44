"""For all tests of this folder: the planted figure; what they train is not kept in the checkout."""

import pytest
from planted_figure import planted  # noqa: F401

from figures._places import writing_to


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(autouse=True)
def nothing_is_kept_in_the_checkout(results):
    """A network trained in an earlier run would hide what training does today."""
    with writing_to(results):
        yield
