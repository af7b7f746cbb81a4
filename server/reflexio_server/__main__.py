"""Where the console script `reflexio` and `python -m reflexio_server` begin."""

import io
import os
import sys


def main() -> None:
    """Run the command line. Ends the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its escape, and nobody a traceback.
            stream.reconfigure(errors="backslashreplace")
    # What gRPC would write on standard error beside our own words is raised as well. It reads this when it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        # Not at the top: `pip install .` brings this script, but not the packages that it needs.
        from reflexio_server.cli import app  # noqa: PLC0415 - for that reason
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        print("The command line needs more packages: pip install '.[cli]' in a checkout of Reflexio", file=sys.stderr)
        sys.exit(2)
    app(prog_name="reflexio")


if __name__ == "__main__":
    main()
