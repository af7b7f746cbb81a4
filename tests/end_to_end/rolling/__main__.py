"""`python -m tests.end_to_end.rolling`: replace three replicas under load again and again, and count what failed."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.end_to_end.replicas.serving import replicas
from tests.end_to_end.rolling.replacing import replace_all, under_load
from tests.running import Postgres


def main() -> None:
    """Exit code 1 where a call failed or something was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each replica is replaced")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--age", type=float, default=2.0, help="seconds after which connections are old; 0 never")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rolling-") as name:
        postgres = Postgres(Path(name))
        try:
            flags = ("--connection-age-seconds", str(chosen.age))
            with replicas(postgres.new_database(), chosen.replicas, Path(name), *flags) as servers:
                url = "ipv4:" + ",".join(server.target for server in servers)
                tally = asyncio.run(under_load(url, None, lambda: replace_all(servers, chosen.rounds)))
        finally:
            postgres.stop()
    print(f"{chosen.rounds * chosen.replicas} replacements; answered: {dict(tally.answered)}")
    print(f"failed: {len(tally.failed)}; lost: {len(tally.lost)}; the slowest call took {tally.slowest:.1f} s")
    for line in [*tally.failed, *tally.lost][:20]:
        print(" ", line)
    sys.exit(bool(tally.failed or tally.lost))


if __name__ == "__main__":
    main()
