"""Writing figures into documents in place: what stands around them is people's."""

from pathlib import Path


class NoSuchPlace(Exception):
    """A document has no place for what was measured."""

    def __init__(self, document: Path, name: str) -> None:
        super().__init__(f"{document} has no lines `{_begin(name)}` and `{_end(name)}`")


def require(document: Path, name: str) -> None:
    """Find out before measuring for minutes whether `refresh` will have a place to write to.

    Raises:
        NoSuchPlace: The document lacks the two lines that mark it.
    """
    _around(document, name)


def refresh(document: Path, name: str, text: str) -> None:
    """Put `text` between the two lines that mark the place of that name, instead of what is there.

    Raises:
        NoSuchPlace: There are no such lines.
    """
    before, after = _around(document, name)
    document.write_text(f"{before}\n\n{text.strip()}\n\n{after}", encoding="utf-8")


def _around(document: Path, name: str) -> tuple[str, str]:
    before, begin, rest = document.read_text(encoding="utf-8").partition(_begin(name))
    _, end, after = rest.partition(_end(name))
    if not (begin and end):
        raise NoSuchPlace(document, name)
    return before + begin, end + after


def _begin(name: str) -> str:
    return f"<!-- measured: {name} -->"


def _end(name: str) -> str:
    return f"<!-- end of {name} -->"
