"""How a publisher was asked to be."""

import os
from dataclasses import dataclass
from typing import Literal

from reflexio.background.reporter import OnRefused
from reflexio.errors import invalid_argument

WhenFull = Literal["refuse", "drop_oldest"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a publisher was asked to be; `BackgroundPublisher` explains each."""

    spool_folder: str | os.PathLike[str] | None
    account: str | None
    max_bytes: int
    when_full: WhenFull
    max_age: float | None
    concurrency: int
    on_refused: OnRefused | None

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            InvalidArgumentError: One of them makes none.
        """
        if not isinstance(self.max_bytes, int) or self.max_bytes < 1:
            raise invalid_argument("max_bytes", f"must be a positive int, not {self.max_bytes!r}")
        if self.when_full not in {"refuse", "drop_oldest"}:
            raise invalid_argument("when_full", f"must be 'refuse' or 'drop_oldest', not {self.when_full!r}")
        if self.max_age is not None and not self.max_age > 0:
            raise invalid_argument("max_age", f"must be a positive number of seconds, not {self.max_age!r}")
        if not isinstance(self.concurrency, int) or not 1 <= self.concurrency <= 100:
            raise invalid_argument("concurrency", f"must be an int from 1 to 100, not {self.concurrency!r}")
        if self.on_refused is not None and not callable(self.on_refused):
            raise invalid_argument("on_refused", "must be callable")
