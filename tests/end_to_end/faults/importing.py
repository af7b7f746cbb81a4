"""What a thread of a campaign does that imports: each import is repeated, whole, until all of it is answered."""

import threading
import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import reflexio
from reflexio import ImportOutcome, ImportResult

from tests.end_to_end.faults.caller import Caller
from tests.end_to_end.faults.import_command import import_by_command
from tests.end_to_end.faults.ledger import Ledger
from tests.end_to_end.faults.publications import Publication
from tests.end_to_end.faults.records import MOST_RECORDS, is_too_old, record_of

_MOST_IMPORTS = 30
_MOST_PAUSE_SECONDS = 0.5
_CALM_SECONDS = 45


class Importing:
    """Imports one set of records after the other. Some imports it cuts itself, in the middle, and some it gives up."""

    def __init__(
        self, orders: dict[str, Any], number: int, clients: Sequence[reflexio.ReflexioClient], stop: threading.Event
    ) -> None:
        self._name = f"{orders['prefix']}i{number}"
        self._ledger = Ledger(Path(orders["folder"]) / f"{self._name}.jsonl")
        self._chance = Random(f"{orders['seed']} {self._name}")
        self._caller = Caller(self._ledger, self._chance, clients)
        self._orders = orders
        self._stop_asked = stop
        self._acknowledged: set[str] = set()
        self._commands = 0

    def run(self) -> None:
        """Go on until asked to stop. The last import has to be done soon after the calm."""
        try:
            number = 0
            while not self._stop_asked.is_set() and number < _MOST_IMPORTS:
                self._import(number)
                number += 1
                self._stop_asked.wait(self._chance.uniform(0, _MOST_PAUSE_SECONDS))
        except Exception:  # noqa: BLE001 -- a client that raises anything else has broken its promise.
            self._caller.violation(traceback.format_exc())
        self._ledger.close()

    def _import(self, number: int) -> None:
        places = range(self._chance.randint(1, MOST_RECORDS))
        publications = [Publication(f"{self._name}.i{number}.n{place}") for place in places]
        calm_since = None
        while calm_since is None or time.monotonic() < calm_since + _CALM_SECONDS:
            if self._stop_asked.is_set() and calm_since is None:
                calm_since = time.monotonic()
            self._ledger.note("import", tags=[publication.tag for publication in publications])
            if self._sent(publications):
                self._ledger.note("imported")
                return
            # The first never: something must have been imported to its end.
            if number and self._chance.random() < 0.1:
                return
            time.sleep(self._chance.uniform(0, _MOST_PAUSE_SECONDS))
        self._caller.violation(f"{publications[0].session_id} is not imported {_CALM_SECONDS} seconds after the calm")

    def _sent(self, publications: Sequence[Publication]) -> bool:
        """Import them. Returns whether all of them were answered."""
        records = [record_of(publication) for publication in publications]
        if self._chance.random() < 0.2:
            orders, self._commands = self._orders, self._commands + 1
            self._ledger.note("import by command")
            file = Path(orders["folder"]) / f"{self._name}-{self._commands}.records"
            endpoint = self._chance.choice(orders["endpoints"])
            results = import_by_command(endpoint, orders["api_key"], orders["timeout_seconds"], file, records)
            return self._read(publications, results)
        return bool(self._caller.call(lambda client: self._read(publications, client.import_data(records))))

    def _read(self, publications: Sequence[Publication], results: Generator[ImportResult, None, None]) -> bool:
        """Note the results, as many as there are before one of both sides goes away."""
        cut = self._chance.randrange(len(publications)) if self._chance.random() < 0.2 else len(publications)
        answered = 0
        with closing(results):
            for result in results:
                if answered == cut:
                    break
                self._answered(publications[answered], result)
                answered += 1
        return answered == len(publications)

    def _answered(self, publication: Publication, result: ImportResult) -> None:
        tag, record = publication.tag, record_of(publication)
        if result.outcome is ImportOutcome.REFUSED or result.request_id != record["request_id"]:
            self._caller.violation(f"{tag}: its import was answered with {result}")
            return
        # What the age limit took away may be imported again, and goes again.
        again = result.outcome is ImportOutcome.IMPORTED and tag in self._acknowledged
        if again and not is_too_old(publication):
            self._caller.violation(f"{tag} was imported again after its acknowledgement")
        self._acknowledged.add(tag)
        ids = [interaction["interaction_id"] for interaction in record["interactions"]]
        self._ledger.note("acknowledged", tag=tag, request_id=record["request_id"], interaction_ids=ids)
