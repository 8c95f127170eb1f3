"""Shared by the tests of training: one thread, an encoder with examples of every kind of the tiny suite."""

import pytest
import torch
from fixtures.tiny_encoder import write_tiny_encoder
from fixtures.tiny_suite import write_tiny_examples


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """A tiny model is faster on one thread, above all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_tiny_encoder(folder / "encoder")
    write_tiny_examples(folder / "examples")
    return folder
