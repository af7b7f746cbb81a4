"""Gives code its indentation back.

How far the lines of a block were indented is learned from a block that is alike and still has its indentation; the two
vintages of the documents differ in what they call a session. Lines without a counterpart follow from their neighbours.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from tests.seeds.statements import Statement, statements_in

_STEP = 4
_SESSION = re.compile(r"request[ _]groups?|sessions?(?:_id)?", re.IGNORECASE)
_CLAUSE_OF = {
    "except": {"try", "except"},
    "finally": {"try", "except", "else"},
    "elif": {"if", "elif"},
    "else": {"if", "elif", "for", "while", "except"},
}
_LEAVES = {"return", "raise", "break", "continue", "pass"}


def restored(source: str, references: Sequence[str]) -> str:
    """`source` as it compiles: unchanged if it does already, else indented like the most similar of `references`.

    The lines inside brackets stay as they are, because there indentation means nothing.

    Raises:
        SyntaxError: it does not compile with any indentation that is known for it.
    """
    if _compiles(source):
        return source
    statements = statements_in(source)
    result = _indented(source, statements, _filled_in(statements, _learned(statements, references)))
    if not _compiles(result):
        result = _indented(source, statements, _filled_in(statements, {}))
    compile(result, "restored", "exec")
    return result


def renamed(code: str) -> str:
    """`code` with one word for what was called a request group first and a session later."""
    return _SESSION.sub("session", code)


def _learned(statements: list[Statement], references: Sequence[str]) -> dict[int, int]:
    """Columns by position, from the reference that shares most statements, in the same order, with these."""
    wanted = _comparable(statements)
    best: dict[int, int] = {}
    for reference in references:
        known = statements_in(reference)
        matcher = SequenceMatcher(None, wanted, _comparable(known), autojunk=False)
        columns = {
            match.a + offset: _column(reference, known[match.b + offset])
            for match in matcher.get_matching_blocks()
            for offset in range(match.size)
        }
        best = max(best, columns, key=len)
    return best


def _comparable(statements: list[Statement]) -> list[str]:
    return [" ".join(renamed(statement.text).split()) for statement in statements]


def _column(source: str, statement: Statement) -> int:
    return statement.start - (source.rfind("\n", 0, statement.start) + 1)


def _filled_in(statements: list[Statement], known: dict[int, int]) -> list[int]:
    """A column for each statement: the known one, else one that fits behind its predecessor."""
    columns: dict[int, int] = {}
    for position, statement in enumerate(statements):
        if not statement.is_comment:
            columns[position] = known.get(position, _following(statements, position, columns))
    last = list(columns.values())[-1] if columns else 0
    # A comment stands where the code behind it stands.
    return [
        next((column for later, column in columns.items() if later >= position), last)
        for position in range(len(statements))
    ]


def _following(statements: list[Statement], position: int, earlier: dict[int, int]) -> int:
    """The column behind `earlier`, columns by position, as far as colons and keywords tell it."""
    if not earlier:
        return 0
    keyword = statements[position].keyword
    outermost = max(earlier.values())
    for candidate, column in reversed(earlier.items()):
        if column <= outermost and statements[candidate].keyword in _CLAUSE_OF.get(keyword, ()):
            return column
        outermost = min(outermost, column)
    previous, column = list(earlier.items())[-1]
    if statements[previous].opens_a_suite:
        return column + _STEP
    if statements[previous].keyword in _LEAVES:
        return max(column - _STEP, 0)
    return column


def _indented(source: str, statements: list[Statement], columns: list[int]) -> str:
    lines = source.split("\n")
    for statement, column in zip(statements, columns, strict=True):
        line = source.count("\n", 0, statement.start)
        lines[line] = " " * column + lines[line].lstrip(" \t")
    return "\n".join(lines)


def _compiles(source: str) -> bool:
    try:
        compile(source, "source", "exec")
    except SyntaxError:
        return False
    return True
