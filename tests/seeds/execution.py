"""Runs a document's code from top to bottom, as a reader who types it in would."""

import ast
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import reflexio

from tests.seeds.adaptation import Adaptation, functions, pictures, undefined_names
from tests.seeds.extraction import Document
from tests.seeds.recording import Observer, RecordedCall, recording_client
from tests.seeds.supplies import EARLIER, paint, supplied


@dataclass
class Run:
    """What happened when a document was run."""

    document: Document
    folder: Path
    observer: Observer
    calls: list[RecordedCall] = field(default_factory=list)
    printed: dict[str, str] = field(default_factory=dict)
    """What each piece of code printed, by its source."""
    namespace: dict[str, Any] = field(default_factory=dict)

    def calls_of(self, method: str) -> list[RecordedCall]:
        """The calls of one method, in order."""
        return [call for call in self.calls if call.method == method]

    def lines_printed_by(self, part: str) -> list[str]:
        """The lines, without blanks around them, that the one piece of code with `part` in it printed."""
        (output,) = [output for source, output in self.printed.items() if part in source]
        return [line.strip() for line in output.splitlines()]


@contextmanager
def executed(document: Document, url: str, folder: Path, api_key: str = "key-of-the-reader") -> Iterator[Run]:
    """Run a document against the empty server at `url`, in `folder`; its clients are open inside the `with`.

    `api_key` is what its reader has in the environment, and what is looked at the server with.

    Functions that it defines for its readers and does not call itself are called at the end, with its own variables of
    the same names as their parameters.
    """
    run = Run(document, folder, Observer(url, api_key))
    try:
        for publish in EARLIER:
            run.observer.client.publish_interaction(**publish)
        _execute(run, url, api_key)
        yield run
    finally:
        for value in [*run.namespace.values(), run.observer.client]:
            if isinstance(value, reflexio.ReflexioClient):
                value.close()


def _execute(run: Run, url: str, api_key: str) -> None:
    client_class = recording_client(run.observer, run.calls)
    adaptation = Adaptation(url)
    blocks = run.document.blocks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reflexio, "ReflexioClient", client_class)
        patch.setenv("REFLEXIO_API_URL", url)
        patch.setenv("REFLEXIO_API_KEY", api_key)
        patch.chdir(run.folder)
        for block in blocks:
            for path in sorted(pictures(block.source)):
                paint(run.folder / path, shade=sum(path.encode()))
            _run_piece(run, block.source, adaptation.of(block.source), block.name)
        for function, parameters in functions("\n".join(block.source for block in blocks)).items():
            source = f"{function}_returned = {function}({', '.join(parameters)})"
            _run_piece(run, source, ast.parse(source), f"{run.document.name}: {function}")


def _run_piece(run: Run, source: str, tree: ast.Module, name: str) -> None:
    for missing in sorted(undefined_names(tree) - run.namespace.keys()):
        run.namespace[missing] = supplied(missing, run.observer.client)
    output = io.StringIO()
    # Not the standard output of the process, where the server under test may write too.
    run.namespace["print"] = partial(print, file=output)
    exec(compile(tree, name, "exec"), run.namespace)
    run.printed[source] = output.getvalue()
