"""`reflexio serve` with a deterministic embedding model, for `python -m`: the command itself, its flags and signals."""

import functools

from reflexio_server.__main__ import main
from reflexio_server.app import Application
from reflexio_server.cli import serving

from tests.end_to_end.stand.poison import POISON
from tests.fakes.embedder import FakeEmbedder

if __name__ == "__main__":
    # The real model takes seconds of two cores to start, and a campaign starts hundreds of servers.
    serving.Application = functools.partial(Application, embedder=FakeEmbedder(fails_on=POISON))
    main()
