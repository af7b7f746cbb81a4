"""Finds the Python of the seed documents.

A markdown document says where its code is. A plain-text export has lost its fences, and some have lost the indentation
and single line breaks too: there, code is what Python reads as a statement that does something, and a block is a run of
such statements with at most blank lines between them.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.seeds.indentation import restored
from tests.seeds.statements import Statement, docstring_at, statement_at

FOLDER = Path(__file__).parents[3] / "shared" / "seeds"

_FENCED = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A run of code in a document.

    `first_line` counts from 1. `written` is a slice of the document, `source` the same with its indentation restored.
    """

    document: str
    first_line: int
    written: str
    source: str

    @property
    def lines(self) -> range:
        """The numbers of the document's lines that hold it."""
        return range(self.first_line, self.first_line + self.written.count("\n") + 1)

    @property
    def name(self) -> str:
        """Where it stands, for tracebacks."""
        return f"{self.document}.txt:{self.first_line}"


@dataclass(frozen=True)
class Document:
    """A seed document and its code, in order."""

    name: str
    text: str
    blocks: tuple[Block, ...]

    @property
    def client_calls(self) -> Counter[str]:
        """How often its code calls each method of `client`."""
        nodes = [node for block in self.blocks for node in ast.walk(ast.parse(block.source))]
        return Counter(
            method
            for node in nodes
            if isinstance(node, ast.Call)
            for method in [_method_of_client(node.func)]
            if method is not None
        )


def documents(folder: Path = FOLDER) -> list[Document]:
    """The seed documents by name; none where there is no folder.

    Raises:
        SyntaxError: a block cannot be made to compile.
    """
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))}
    indented = [text[start:end] for text in texts.values() if _is_fenced(text) for start, end in _fenced_spans(text)]
    return [Document(name, text, tuple(_blocks(name, text, indented))) for name, text in texts.items()]


def _method_of_client(function: ast.expr) -> str | None:
    match function:
        case ast.Attribute(value=ast.Name(id="client"), attr=method):
            return method
    return None


def _blocks(name: str, text: str, indented: list[str]) -> Iterator[Block]:
    for start, end in _fenced_spans(text) if _is_fenced(text) else _unfenced_spans(text):
        written = text[start:end]
        block = Block(name, text.count("\n", 0, start) + 1, written, restored(written, indented))
        compile(block.source, block.name, "exec")
        yield block


def _is_fenced(text: str) -> bool:
    return _FENCED.search(text) is not None


def _fenced_spans(text: str) -> Iterator[tuple[int, int]]:
    return (fence.span(1) for fence in _FENCED.finditer(text))


def _unfenced_spans(text: str) -> Iterator[tuple[int, int]]:
    run: list[Statement] = []
    position = 0
    while position < len(text):
        if text[position] == "\n":
            position += 1
            continue
        statement = statement_at(text, position)
        if statement is None and run and run[-1].keyword in {"def", "class"}:
            statement = docstring_at(text, position)
        if statement is not None:
            run.append(statement)
            position = statement.end
            continue
        if run:
            yield run[0].start, run[-1].end
        run = []
        position = text.find("\n", position) % (len(text) + 1)
    if run:
        yield run[0].start, run[-1].end
