"""Python statements inside text that is not all Python."""

import ast
import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r'''
    (?P<string> """(?:\\.|[^\\])*?""" | \'\'\'(?:\\.|[^\\])*?\'\'\' | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | (?P<comment> \#[^\n]*? (?: (?<=[)\]}])(?=[A-Z0-9]) | (?=\n) | \Z ) )
    | (?P<opening> [(\[{] )
    | (?P<closing> [)\]}] )
    | (?P<newline> \n )
    | (?P<space> [^\S\n]+ )
    | (?P<word> \w+ )
    | (?P<stray> ["'] )
    | (?P<other> . )
    ''',
    re.VERBOSE | re.DOTALL,
)
_CLAUSES = {
    "try": "{}\n pass\nfinally:\n pass",
    "except": "try:\n pass\n{}\n pass",
    "finally": "try:\n pass\n{}\n pass",
    "elif": "if _:\n pass\n{}\n pass",
    "else": "if _:\n pass\n{}\n pass",
}


@dataclass(frozen=True)
class Statement:
    """A simple statement, the header of a compound one, or a comment of its own line.

    `text` is without a comment behind it. `start` and `end` are offsets into the whole: where it begins behind its
    indentation, and where whatever comes next begins.
    """

    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """Its first word; empty for a comment."""
        word = re.match(r"\w*", self.text)
        return word.group() if word else ""

    @property
    def is_comment(self) -> bool:
        """Whether there is nothing to run in it."""
        return self.text.startswith("#")

    @property
    def opens_a_suite(self) -> bool:
        """Whether indented statements have to follow."""
        return not self.is_comment and self.text.endswith(":")


def statement_at(text: str, position: int) -> Statement | None:
    """The statement that starts at `position`, or None where there is prose.

    It ends with its line; lines are joined while a bracket is open. It ends earlier where a closing bracket or quote is
    followed at once by a capital letter or a digit: nobody writes Python so, it is where a line break was lost.
    """
    start = _behind_blanks(text, position)
    ends = _ends_of_statement(text, start)
    if ends is None or not _runs(text[start : ends[0]]):
        return None
    return Statement(text[start : ends[0]], start, ends[1])


def statements_in(source: str) -> list[Statement]:
    """All statements of a piece of code whose indentation does not matter.

    Raises:
        ValueError: a line is neither code nor blank.
    """
    found: list[Statement] = []
    position = 0
    while position < len(source):
        if source[position] == "\n":
            position += 1
            continue
        statement = statement_at(source, position) or docstring_at(source, position)
        if statement is None:
            raise ValueError(f"not Python: {source[position:].splitlines()[0]!r}")
        found.append(statement)
        position = statement.end
    return found


def docstring_at(text: str, position: int) -> Statement | None:
    """The string that stands alone at `position`, if one does: a docstring behind `def`, prose elsewhere."""
    string = re.compile(r'[ \t]*("""(?:.|\n)*?""")[ \t]*(?=\n|\Z)').match(text, position)
    return Statement(string.group(1), string.start(1), string.end()) if string else None


def _behind_blanks(text: str, position: int) -> int:
    while text[position : position + 1] in {" ", "\t"}:
        position += 1
    return position


def _ends_of_statement(text: str, start: int) -> tuple[int, int] | None:
    """Where the code of the statement at `start` ends and where what follows begins; None if something stays open."""
    depth = 0
    code_end = start
    before = ""
    for token in _TOKEN.finditer(text, start):
        kind = token.lastgroup or ""
        glued = before in {"closing", "string"} and kind == "word" and re.match("[A-Z0-9]", token.group())
        if kind == "stray" or depth < 0:
            return None
        if depth == 0 and (glued or kind == "newline"):
            return code_end, token.start()
        if kind == "comment" and code_end == start:
            return token.end(), token.end()
        depth += (kind == "opening") - (kind == "closing")
        if kind not in {"comment", "space", "newline"}:
            code_end = token.end()
        before = kind
    return (code_end, len(text)) if depth == 0 else None


def _runs(statement: str) -> bool:
    """Whether Python would do something with it; a word or a quotation alone is a heading."""
    if statement.startswith("#"):
        return True
    first_word = re.match(r"\w*", statement)
    template = _CLAUSES.get(first_word.group() if first_word else "", "{}")
    if template == "{}" and statement.endswith(":"):
        template = "{}\n pass"
    try:
        tree = ast.parse(template.replace("{}", statement))
    except SyntaxError:
        return False
    for node in tree.body:
        match node:
            case ast.Expr(value=ast.Call() | ast.Await()):
                continue
            case ast.Expr() | ast.AnnAssign(value=None):
                return False
    return bool(tree.body)
