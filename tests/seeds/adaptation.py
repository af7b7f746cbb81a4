"""What the documents' code cannot have by itself: a server's address, and what `...` stands for.

The syntax tree is changed and nothing else. The endpoint on this machine that a document names becomes the address of
the server under test. A list that holds only `...` becomes the name `ELIDED`, which the test supplies like any other
name that a document uses without defining it.
"""

import ast
import builtins
import re

ELIDED = "elided_interactions"

_ON_THIS_MACHINE = re.compile(r"https?://(?:127\.0\.0\.1|localhost):8081(?=/?$)")
_PICTURE = re.compile(r"(?!\w+://).*\.(?:jpe?g|png|gif|webp)")


class Adaptation:
    """Makes a document's code runnable, one piece after the other."""

    def __init__(self, url: str) -> None:
        self._replace = _Replacement(url)

    def of(self, source: str) -> ast.Module:
        """The code to run in place of `source`."""
        tree = ast.parse(source)
        tree.body = [self._replace.visit(statement) for statement in tree.body]
        return ast.fix_missing_locations(tree)


class _Replacement(ast.NodeTransformer):
    def __init__(self, url: str) -> None:
        self._url = url

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            return ast.copy_location(ast.Constant(_ON_THIS_MACHINE.sub(self._url, node.value)), node)
        return node

    def visit_List(self, node: ast.List) -> ast.AST:
        match node.elts:
            case [ast.Constant(value=value)] if value is ...:
                return ast.copy_location(ast.Name(ELIDED, ast.Load()), node)
        return self.generic_visit(node)


def undefined_names(tree: ast.Module) -> set[str]:
    """The names that `tree` reads and neither it nor Python defines."""
    bound = _names(tree, ast.Store)
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.arg(arg=name):
                bound.add(name)
            case ast.alias(name=name, asname=alias):
                bound.add(alias or name.partition(".")[0])
    return _names(tree, ast.Load) - bound - set(dir(builtins))


def pictures(source: str) -> set[str]:
    """The paths of the pictures that `source` names; web addresses are none."""
    return {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _PICTURE.fullmatch(node.value)
    }


def functions(source: str) -> dict[str, list[str]]:
    """The functions that `source` defines and does not call, with the names of their parameters."""
    tree = ast.parse(source)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return {
        node.name: [argument.arg for argument in node.args.args]
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name not in called
    }


def _names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
