"""What people and machines see: tables cut to the terminal, and JSON that is never cut.

What was published may hold anything, also sequences that reprogram a terminal. Nothing of it is written raw:
control characters become visible escapes, and Rich never reads it as markup.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Controls of both sets, line and paragraph separators, marks that reverse the direction of writing, and halves of
# surrogate pairs, which no encoding can write.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WHITE = re.compile(r"[ \t\r\n\v\f\u2028\u2029]+")
_PIPE_WIDTH = 1_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    widest: int | None = None
    """How many cells wide at most; None for as wide as its content."""
    flexible: bool = False
    """Whether it takes what the others leave of the terminal, its text cut at the end."""


def one_line(text: str) -> str:
    """`text` on one line: white space run together, and every control character as a visible escape."""
    return visible(_WHITE.sub(" ", text).strip())


def visible(text: str) -> str:
    """`text` with every control character as a visible escape, line ends among them."""
    return _UNSAFE.sub(lambda match: _escaped(match[0]), text)


def to_json(value: Any) -> str:
    """`value` as JSON on one line, with nothing in it that a terminal would obey."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=not _takes_unicode()))


def print_json(value: Any) -> None:
    """Write `value` to standard output as one line of JSON, at once."""
    sys.stdout.write(to_json(value) + "\n")
    sys.stdout.flush()


def print_line(text: str) -> None:
    """Write a sentence for people to standard output, on as many lines as it takes."""
    _console().print(Text(one_line(text)), soft_wrap=True, highlight=False)
    sys.stdout.flush()


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun, and the verb where that depends on the number."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def print_lines(lines: Iterable[Text]) -> None:
    """Write lines, each cut to the terminal, to standard output. Their text must have gone through `one_line`."""
    for line in lines:
        _print(line)


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Write a table to standard output. The cells may hold anything.

    On a terminal it is as wide as that; through a pipe nothing is cut.
    """
    console = _console()
    table = Table(
        box=None,
        pad_edge=False,
        expand=_is_bounded(),
        header_style="bold",
        show_header=any(column.title for column in columns),
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        table.add_column(
            column.title,
            no_wrap=True,
            overflow="ellipsis",
            max_width=column.widest if _is_bounded() else None,
            ratio=1 if column.flexible else None,
        )
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    with console.capture() as capture:
        console.print(table)
    # Rich fills every line with blanks up to its width, which only files and pipes notice.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    sys.stdout.flush()


def _print(line: Text) -> None:
    _console().print(line, no_wrap=True, overflow="ellipsis", crop=True, highlight=False)
    sys.stdout.flush()


def _console() -> Console:
    # Made anew each time: it looks at sys.stdout and the size of the terminal as they are then.
    return Console(width=None if _is_bounded() else _PIPE_WIDTH, highlight=False, markup=False, emoji=False)


def _is_bounded() -> bool:
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _takes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")
