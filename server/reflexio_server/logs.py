"""How the server logs: lines for people or for machines, on standard error.

What users said does not get into it, nor do secrets. Whoever writes a line sees to that; what the errors of drivers
carry with them is taken out here.
"""

import logging
import re
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Literal

import structlog

_LEFT_OUT = "(left out)"

_SECRETS = (
    # The password of a URL, and an API key.
    (re.compile(r"(\w://[^\s:/@]*):[^\s@]*@"), rf"\1:{_LEFT_OUT}@"),
    (re.compile(r"\brflx-\w+"), f"rflx-{_LEFT_OUT}"),
)

_TALKATIVE = ("reflexio_server.store.pinning", "sqlalchemy.pool")
"""What SQLAlchemy says of pools is of interest to those who change one, not to operators."""

_facts: list[Callable[[], Mapping[str, Any]]] = []


def add_facts(source: Callable[[], Mapping[str, Any]]) -> None:
    """Have each line say more of when it is written, as the call in progress: `source` is asked for every line."""
    if source not in _facts:
        _facts.append(source)


def configure(level: str, log_format: Literal["console", "json"]) -> None:
    """Have everything, also what libraries log, written to standard error in one form.

    Args:
        level: The least level that is written: debug, info, warning or error.
        log_format: For people or for machines.
    """
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _with_facts,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.typing.Processor
    if log_format == "json":
        last = structlog.processors.JSONRenderer()
        before.append(structlog.processors.ExceptionRenderer(_traceback))
    else:
        # Plain, because others show the values of variables: what users said, and secrets.
        last = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=lambda file, error: print(f"\n{_traceback(error)}", file=file),
        )
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last, _without_secrets],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("reflexio").setLevel(level.upper())
    logging.getLogger("reflexio_server").setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _with_facts(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for source in _facts:
        for name, fact in source().items():
            line.setdefault(name, fact)
    return line


def _traceback(exc_info: structlog.typing.ExcInfo) -> str:
    """A traceback without the details of Postgres: they quote the row that it refused."""
    text = "".join(traceback.format_exception(*exc_info))
    error: BaseException | None = exc_info[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        detail = getattr(error, "detail", None)
        if isinstance(detail, str) and detail:
            text = text.replace(detail, _LEFT_OUT)
        error = error.__cause__ or error.__context__
    return text.rstrip()


def _without_secrets(_logger: Any, _method: str, rendered: Any) -> Any:
    """The line as it is written. Nobody writes secrets knowingly; what a library says is not ours."""
    for secret, instead in _SECRETS:
        rendered = secret.sub(instead, rendered)
    return rendered
