"""What a thread of a campaign does that publishes in the background: what is taken must be stored, once."""

import threading
import traceback
from pathlib import Path
from random import Random
from typing import Any

import reflexio

from tests.end_to_end.faults.ledger import Ledger
from tests.end_to_end.faults.publications import Publication

_PER_SESSION = 3
_MOST_PAUSE_SECONDS = 0.2
_FLUSH_SECONDS = 45


class HandingOver:
    """Hands one publication over after the other, whatever is broken. What is taken counts as acknowledged."""

    def __init__(self, orders: dict[str, Any], number: int, stop: threading.Event) -> None:
        self._name = f"{orders['prefix']}b{number}"
        self._ledger = Ledger(Path(orders["folder"]) / f"{self._name}.jsonl")
        self._chance = Random(f"{orders['seed']} {self._name}")
        self._stop_asked = stop
        self._most = orders["most_publishes"]
        self._publisher = reflexio.BackgroundPublisher(
            orders["api_key"],
            orders["endpoints"][number % len(orders["endpoints"])],
            timeout=orders["timeout_seconds"],
            spool_folder=Path(orders["folder"]) / self._name,
            on_refused=self._refused,
        )

    def run(self) -> None:
        """Go on until asked to stop, when all is calm, and wait until everything is sent."""
        try:
            number = 0
            while not self._stop_asked.wait(self._chance.uniform(0, _MOST_PAUSE_SECONDS)) and number < self._most:
                self._hand_over(Publication(f"{self._name}.s{number // _PER_SESSION}.n{number}"))
                number += 1
            self._stop_asked.wait()
            if not self._publisher.close(_FLUSH_SECONDS):
                self._violation(f"not sent {_FLUSH_SECONDS} seconds after the calm: {self._publisher.counters}")
        except Exception:  # noqa: BLE001 -- a publisher that raises anything has broken its promise.
            self._violation(traceback.format_exc())
        self._ledger.close()

    def _hand_over(self, publication: Publication) -> None:
        self._ledger.note("publish", tag=publication.tag)
        if self._publisher.publish(**publication.arguments):
            self._ledger.note("acknowledged", tag=publication.tag, request_id=None, interaction_ids=None)
            self._ledger.note("handed over", tag=publication.tag)

    def _refused(self, publish: reflexio.BackgroundPublish, error: Exception) -> None:
        self._violation(f"{publish.agent_version} was refused: {error!r}")

    def _violation(self, text: str) -> None:
        self._ledger.note("violation", text=text)
