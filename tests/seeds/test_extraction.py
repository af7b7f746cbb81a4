"""All code of the seed documents is found, none of their prose, and indentation comes back as it was."""

import ast
import re
from collections import Counter
from textwrap import dedent

import pytest

from tests.seeds.extraction import FOLDER, Document, documents
from tests.seeds.indentation import renamed, restored
from tests.seeds.statements import statement_at

if not FOLDER.is_dir():
    pytest.skip(f"the seed documents are not here: {FOLDER}", allow_module_level=True)

DOCUMENTS = documents()
BLOCKS = [block for document in DOCUMENTS for block in document.blocks]
STILL_INDENTED = [block for block in BLOCKS if block.source == block.written and "\n    " in block.source]
RESTORED = [block for block in BLOCKS if block.source != block.written]

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)

# What gives code away to the eye, without parsing anything.
_LOOKS_LIKE_CODE = re.compile(
    r"""\s*(?:
        (?:import|from|def|for|if|elif|while|with|return|except|else|try)\b
        | print\( | [\w.]+\s*=\s*\S | "\w+":\s | [()\[\]{},]+\s*$ | \#\s
        | .*\bclient\.\w+\( | .*\bReflexioClient\(
    )""",
    re.VERBOSE,
)
_MARKDOWN_HEADING = re.compile(r"#{1,6} [A-Z1-9]")
_CALL = re.compile(r"\bclient\.(\w+)\(")


def test_there_are_documents_of_both_kinds():
    assert len(DOCUMENTS) >= 5
    assert all(document.blocks for document in DOCUMENTS)
    assert RESTORED
    assert STILL_INDENTED


@each_document
def test_every_line_that_looks_like_code_is_in_exactly_one_block(document: Document):
    homes = Counter(line for block in document.blocks for line in block.lines)
    fenced = "```" in document.text
    strays = [
        f"line {number} is in {homes[number]} blocks: {line}"
        for number, line in enumerate(document.text.split("\n"), start=1)
        if _LOOKS_LIKE_CODE.match(line) and homes[number] != 1
        if homes[number] or not (fenced and _MARKDOWN_HEADING.match(line))
    ]
    assert strays == []


@each_document
def test_every_call_of_the_client_in_the_text_is_a_call_in_the_code(document: Document):
    written = Counter(_CALL.findall(document.text))
    assert document.client_calls == written
    assert document.client_calls.total() >= 5


@each_document
def test_blocks_hold_no_prose(document: Document):
    for block in document.blocks:
        for statement in ast.parse(block.source).body:
            assert not isinstance(statement, ast.Expr) or isinstance(statement.value, ast.Call), block.name
        headings = [line for line in block.source.split("\n") if re.fullmatch(r"(?:\d\. )?(?:[A-Z][\w-]+ ?)+", line)]
        assert headings == [], block.name


@each_document
def test_a_block_is_a_piece_of_its_document_and_differs_in_leading_blanks_only(document: Document):
    for block in document.blocks:
        assert block.written in document.text
        assert document.text.split("\n")[block.first_line - 1].strip() == block.written.split("\n")[0].strip()
        assert [line.strip() for line in block.source.split("\n")] == [
            line.strip() for line in block.written.split("\n")
        ]


@pytest.mark.parametrize("block", RESTORED, ids=lambda block: block.name)
def test_restored_code_does_what_the_older_document_does(block):
    known = {_meaning(statement) for other in STILL_INDENTED for statement in ast.parse(renamed(other.source)).body}
    nested = [statement for statement in ast.parse(renamed(block.source)).body if hasattr(statement, "body")]
    assert nested
    assert [ast.unparse(statement) for statement in nested if _meaning(statement) not in known] == []


@pytest.mark.parametrize("block", STILL_INDENTED, ids=lambda block: block.name)
def test_code_that_loses_its_indentation_gets_it_back(block):
    flat = re.sub(r"^ +", "", block.source, flags=re.MULTILINE)
    again = restored(flat, [other.source for other in STILL_INDENTED])
    assert ast.dump(ast.parse(again)) == ast.dump(ast.parse(block.source))


@pytest.mark.parametrize(
    "source",
    [
        """
        def greeting(name: str) -> str:
            \"\"\"Say hello.\"\"\"
            if name:
                # The usual case
                return f"Hello, {name}"
            return "Hello"
        """,
        """
        for item in items:  # one by one
            try:
                handle(
                    item,
                )
            except KeyError as error:
                print(f"{error}")
            finally:
                done(item)
        """,
        """
        while True:
            if ready():
                break
            elif late():
                raise TimeoutError
            else:
                wait()
        """,
    ],
)
def test_colons_and_keywords_tell_the_indentation_of_unknown_code(source: str):
    source = dedent(source).strip()
    flat = re.sub(r"^ +", "", source, flags=re.MULTILINE)
    assert ast.dump(ast.parse(restored(flat, []))) == ast.dump(ast.parse(source))


def test_what_cannot_be_restored_is_an_error():
    with pytest.raises(SyntaxError):
        restored("for item in items:", [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('client = connect("here")Text-Based Interactions\n', 'client = connect("here")'),
        ('name="experiment"2. Track Versions\nAlways.', 'name="experiment"'),
        ('# Or: client = connect("here")Next Steps\nProse', '# Or: client = connect("here")'),
        ("call(\na,\n# ) not yet\nb\n)Next\n", "call(\na,\n# ) not yet\nb\n)"),
        ("items = [] # none yet\nrest", "items = []"),
        ("call('it\\'s (', \"a)B\")\n", "call('it\\'s (', \"a)B\")"),
        ("else:\n", "else:"),
        ("except Exception as e:  # all\n", "except Exception as e:"),
    ],
)
def test_a_statement_ends_where_its_code_ends(text: str, code: str):
    statement = statement_at(text, 0)
    assert statement is not None
    assert statement.text == code


@pytest.mark.parametrize(
    "prose",
    [
        "Prop\n",
        "Type",
        "Simple Conversations\n",
        "Returns: PublishUserInteractionResponse. In wait_for_response=False mode it is bare.\n",
        "source: Where the interaction came from (for example, an app)\n",
        "Here's how it goes:\n",
        "1. Numbered/Headed Things\n",
        "publish(): Create requestsget_requests(): Retrieve requests\n",
        "request_id: str\n",
        '"To be or not"\n',
        "Deletes all of them (see below\n",
    ],
)
def test_prose_is_not_a_statement(prose: str):
    assert statement_at(prose, 0) is None


def _meaning(statement: ast.stmt) -> str:
    """A statement's syntax tree, with the runs of blanks squeezed in its texts as the exports do."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = re.sub(" +", " ", node.value)
    return ast.dump(statement)
