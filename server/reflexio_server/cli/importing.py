"""Publishing many: one publish after the other, with a progress bar, and an account of what is stored when it ends."""

import os
from collections.abc import Callable
from stat import S_ISREG
from typing import BinaryIO

import reflexio
import typer

from reflexio_server.cli.connection import explanation, say, say_error
from reflexio_server.cli.progress import progress_bar
from reflexio_server.cli.publications import BadEntryError, Entry, Reader
from reflexio_server.cli.rendering import counted
from reflexio_server.domain.request import STORED_BEFORE

Answer = reflexio.PublishUserInteractionResponse


class Importer:
    """Publishes what a reader gives out, in its order, and counts what is stored.

    Args:
        client: Whom to publish with.
        wait: Whether to wait until each is embedded and learned from.
        show_bar: Whether to show a progress bar; it is shown where standard error is a terminal.
        on_answer: Called with each publish and its answer.
    """

    def __init__(
        self,
        client: reflexio.ReflexioClient,
        *,
        wait: bool,
        show_bar: bool,
        on_answer: Callable[[Entry, Answer], None],
    ) -> None:
        self._client = client
        self._wait = wait
        self._show_bar = show_bar
        self._on_answer = on_answer
        self._publishes = 0
        self._interactions = 0
        self._there_already = 0

    @property
    def account(self) -> str:
        """What is stored so far, for people."""
        stored = counted(self._publishes, "publish", "publishes")
        parts = [f"{stored} with {counted(self._interactions, 'interaction')}"]
        if self._there_already:
            parts.append(counted(self._there_already, "was there already", "were there already"))
        return "; ".join(parts)

    def run(self, reader: Reader, stream: BinaryIO, *, repeatable: bool) -> None:
        """Publish everything, or end the command with exit code 1 after saying where it ended and what is stored.

        Args:
            reader: What to publish.
            stream: What the reader reads.
            repeatable: Whether the publishes have idempotency keys, so that a second run stores nothing twice.
        """
        try:
            with progress_bar("Publishing", size_of(stream), shown=self._show_bar) as advance:
                for entry in reader:
                    self._publish(entry)
                    advance(entry.size)
        except (BadEntryError, _RefusedEntryError) as error:
            say_error(str(error))
            self._say_account(repeatable=repeatable)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            self._say_account(repeatable=repeatable)
            raise

    def _publish(self, entry: Entry) -> None:
        try:
            answer = self._client.publish_interaction(**entry.arguments, wait_for_response=self._wait)
        except reflexio.ReflexioError as error:
            raise _RefusedEntryError(f"{entry.place}: {explanation(error)}") from error
        # Nothing but its message tells.
        if answer.message.startswith(STORED_BEFORE):
            self._there_already += 1
        else:
            self._publishes += 1
            self._interactions += entry.count
        self._on_answer(entry, answer)

    def _say_account(self, *, repeatable: bool) -> None:
        if not self._publishes + self._there_already:
            say("Nothing was stored.")
        elif repeatable:
            say(f"Stored before that: {self.account}. Repeat the command to go on; nothing is stored twice.")
        else:
            say(
                f"Stored before that: {self.account}. Go on with what follows them: they would be stored again, "
                "because what is no file has no idempotency keys without --idempotency-key."
            )


class _RefusedEntryError(Exception):
    """The server or the client refused a publish."""


def size_of(stream: BinaryIO) -> int | None:
    """How many bytes a file has; None where that cannot be known, as of a pipe."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return None
    return status.st_size if S_ISREG(status.st_mode) else None
