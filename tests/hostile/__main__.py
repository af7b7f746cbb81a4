"""`python -m tests.hostile`: attack a server for as long as you like, and say what came of it."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.hostile.campaign import campaign


def main() -> None:
    """Exit code 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--idle", type=int, default=1000, help="connections that do nothing meanwhile")
    parser.add_argument("--tls", action="store_true", help="attack a server that speaks TLS, and renew its certificate")
    parser.add_argument(
        "--keys", action="store_true", help="attack a server that asks for keys, with good and bad ones"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        options = {name: getattr(chosen, name) for name in ("seconds", "seed", "idle", "tls", "keys")}
        report = asyncio.run(campaign(Path(folder), **options))
    print("answers:", dict(report.outcomes.counts.most_common()))
    # Those that do not answer a ping are dropped after a while, as they should be.
    print(f"{report.nonsense} connections talked nonsense, {report.idle_kept} of {chosen.idle} idle ones were kept,")
    print(f"and somebody else was served {report.served} times meanwhile")
    print(f"before: {report.before}\nafter:  {report.after}")
    tracebacks = report.log.count("Traceback")
    for wrong in report.outcomes.wrong[:20]:
        print("WRONG:", wrong)
    if tracebacks:
        print(f"{tracebacks} tracebacks in the log; the last lines of it:\n{report.log[-6000:]}")
    if report.leaked:
        print("LEAKED:", ", ".join(report.leaked))
    sys.exit(bool(report.outcomes.wrong or tracebacks or report.leaked))


if __name__ == "__main__":
    main()
