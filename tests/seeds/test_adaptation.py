"""What is changed in the documents' code before it runs, and that nothing else is."""

import ast

import pytest

from tests.seeds.adaptation import ELIDED, Adaptation, functions, pictures, undefined_names

URL = "http://127.0.0.1:4321"


@pytest.fixture
def adaptation() -> Adaptation:
    return Adaptation(URL)


@pytest.mark.parametrize(
    ("source", "runs_as"),
    [
        ("f(interactions=[...], n=1)", f"f(interactions={ELIDED}, n=1)"),
        ("f([1, ...], [[...]], ...)", f"f([1, ...], [{ELIDED}], ...)"),
        ("c = C(url_endpoint='http://127.0.0.1:8081/')", f"c = C(url_endpoint='{URL}/')"),
        ("c = C('http://localhost:8081')", f"c = C('{URL}')"),
        ("c = C('http://localhost:8081/products/1', 'http://store:8081')", None),
        ("print(f'[{a.role}]: {a.content[:50]}...')", None),
    ],
)
def test_addresses_and_ellipses_are_replaced(adaptation: Adaptation, source: str, runs_as: str | None):
    assert ast.unparse(adaptation.of(source)) == ast.unparse(ast.parse(runs_as or source))


def test_undefined_names_are_those_that_neither_the_code_nor_python_defines():
    tree = ast.parse(
        "import os.path as p, sys\n"
        "def f(a, b=c):\n    return a + b + d\n"
        "try:\n    x = f(len(sys.argv))\nexcept Exception as e:\n    print(e, p)\n"
        "for y in x:\n    z[y] = y\n"
    )
    assert undefined_names(tree) == {"c", "d", "z"}


def test_pictures_are_files_and_not_addresses():
    source = "f('a/b.jpg', \"c.png\", 'https://store.com/d.jpg', 'e.txt', 'Look at f.jpg now')"
    assert pictures(source) == {"a/b.jpg", "c.png"}


def test_functions_are_those_that_are_not_called():
    assert functions("def f(a, b):\n    pass\ndef g():\n    pass\ng()") == {"f": ["a", "b"]}
