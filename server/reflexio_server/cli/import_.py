"""`reflexio import`."""

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import reflexio
import typer
from reflexio import ImportOutcome, ImportResult

from reflexio_server.cli.command import ApiKey, JsonLines, Quiet, Timeout, Url, command_of, usage_error
from reflexio_server.cli.connection import connected, explanation, say, say_error
from reflexio_server.cli.importing import size_of
from reflexio_server.cli.progress import progress_bar
from reflexio_server.cli.publications import BadEntryError, parsed
from reflexio_server.cli.rendering import counted, print_json

_MOST_ERRORS_SHOWN = 10


def command() -> Any:
    """The command, for the group of all commands."""
    return command_of(import_)


def import_(
    path: Annotated[str, typer.Argument(metavar="FILE|-", help="What to import; - is standard input.")],
    *,
    quiet: Quiet = False,
    url: Url = "",
    api_key: ApiKey = "",
    timeout: Timeout = None,
    json_lines: JsonLines = False,
) -> None:
    """Store what `reflexio export` wrote, under the ids and times that it has.

    Requests that are there already are skipped, so an import that was interrupted is simply repeated. A line that
    cannot be imported is named, and the others are imported all the same; the exit code is 1 then. With --json each
    request has a line on standard output that says what became of it. Needs an administrator's key where keys are in
    use.
    """
    with _opened(path) as stream, connected(url, api_key, timeout) as client:
        name = "standard input" if path == "-" else path
        with progress_bar("Importing", size_of(stream), shown=not (quiet or json_lines)) as advance:
            account = _Account(name, advance, json_lines=json_lines)
            try:
                for result in client.import_data(account.records(stream)):
                    account.note(result)
            except (reflexio.ReflexioError, KeyboardInterrupt):
                say(f"{account.summary}; ended at {account.place}.")
                say("Repeat the command to go on; nothing is stored twice.")
                raise
    if account.refused or not (quiet or json_lines):
        say(account.summary)
    if account.refused:
        raise typer.Exit(1)


class _Account:
    """Reads lines, and keeps count of what became of them.

    Args:
        name: What to call the input.
        advance: Called with how many bytes of it were dealt with.
        json_lines: Whether to write every result to standard output.
    """

    def __init__(self, name: str, advance: Callable[[int], object], *, json_lines: bool) -> None:
        self._name = name
        self._advance = advance
        self._json_lines = json_lines
        self._waiting: deque[tuple[str, int]] = deque()
        self._counts: Counter[ImportOutcome] = Counter()
        self._interactions = 0

    @property
    def refused(self) -> int:
        """How many lines could not be imported."""
        return self._counts[ImportOutcome.REFUSED]

    @property
    def place(self) -> str:
        """Where the first line is of which nobody knows what became of it."""
        return self._waiting[0][0] if self._waiting else self._name

    @property
    def summary(self) -> str:
        """What was done so far, for people."""
        requests = counted(self._counts[ImportOutcome.IMPORTED], "request")
        parts = [f"imported {requests} with {counted(self._interactions, 'interaction')}"]
        if there := self._counts[ImportOutcome.ALREADY_THERE]:
            parts.append(f"{counted(there, 'request was', 'requests were')} there already")
        if self.refused:
            parts.append(f"{counted(self.refused, 'line was', 'lines were')} refused")
        return "; ".join(parts)

    def records(self, stream: BinaryIO) -> Iterator[Any]:
        """What the lines hold. A line that is no JSON is noted as refused at once."""
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            place = f"{self._name}:{number}"
            try:
                record = parsed(line, place)
            except BadEntryError as error:
                self._refuse(place, "", str(error), "INVALID_FIELD")
                self._advance(len(line))
            else:
                self._waiting.append((place, len(line)))
                yield record

    def note(self, result: ImportResult) -> None:
        """Take note of what became of the record that was given out first of those not noted yet."""
        place, size = self._waiting.popleft()
        self._advance(size)
        if result.error is not None:
            self._refuse(place, result.request_id, f"{place}: {explanation(result.error)}", result.error.reason)
            return
        self._counts[result.outcome] += 1
        self._interactions += result.interactions_count
        if self._json_lines:
            print_json(
                {
                    "place": place,
                    "outcome": result.outcome.value,
                    "request_id": result.request_id,
                    "interactions_count": result.interactions_count,
                }
            )

    def _refuse(self, place: str, request_id: str, message: str, reason: str) -> None:
        self._counts[ImportOutcome.REFUSED] += 1
        if self._json_lines:
            refusal = {"place": place, "outcome": "refused", "request_id": request_id}
            print_json({**refusal, "interactions_count": 0, "reason": reason, "message": message})
        elif self.refused <= _MOST_ERRORS_SHOWN:
            say_error(message)
        elif self.refused == _MOST_ERRORS_SHOWN + 1:
            say_error("more lines are refused, which are only counted; --json names them all")


def _opened(path: str) -> Any:
    if path == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise usage_error("FILE", f"cannot read {path}: {error.strerror}") from None
