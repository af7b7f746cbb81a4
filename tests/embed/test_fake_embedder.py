"""The embedder that most tests run with keeps the promises of a real one."""

import pytest

from tests.contracts.embedder import EmbedderContract
from tests.fakes.embedder import FakeEmbedder


class TestFakeEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self):
        return FakeEmbedder()

    def test_it_fails_when_told_to(self):
        with pytest.raises(RuntimeError):
            FakeEmbedder(fails_on="poison").encode(["fine", "some poison here"])
