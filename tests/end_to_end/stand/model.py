"""A deterministic embedding model in place of the real one, which takes seconds of two cores to start."""

import functools

from reflexio_server.app import Application

from tests.end_to_end.stand.poison import POISON
from tests.fakes.embedder import FakeEmbedder


def use_the_deterministic_model() -> None:
    """Whoever builds the application in this process gets it with this model, as tests that build it themselves do."""
    Application.__init__ = functools.partialmethod(  # type: ignore[method-assign, assignment]
        Application.__init__, embedder=FakeEmbedder(fails_on=POISON)
    )
