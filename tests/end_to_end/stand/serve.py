"""`reflexio serve` with a deterministic embedding model, for `python -m`: the command itself, its flags and signals.

The real model takes seconds of two cores to start, and a campaign starts hundreds of servers.
"""

import functools

from reflexio_server.__main__ import main
from reflexio_server.app import Application

from tests.end_to_end.stand.poison import POISON
from tests.fakes.embedder import FakeEmbedder

if __name__ == "__main__":
    # Whoever builds the application gets it with this model, as tests that build it themselves do.
    Application.__init__ = functools.partialmethod(Application.__init__, embedder=FakeEmbedder(fails_on=POISON))
    main()
