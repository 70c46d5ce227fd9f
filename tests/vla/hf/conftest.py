"""Fixtures: folders of tiny models, made once a session."""

from importlib.util import find_spec

import pytest

from .families import NEED_TORCHVISION, build


@pytest.fixture(scope="session")
def model_of(tmp_path_factory):
    """Function family -> folder of a tiny random model of it."""
    folders = {}

    def folder(family):
        if family in NEED_TORCHVISION and not (find_spec("torchvision") and find_spec("num2words")):
            pytest.skip(f"the processor of {family} needs torchvision and num2words")
        if family not in folders:
            folders[family] = build(family, tmp_path_factory.mktemp(family))
        return folders[family]

    return folder
