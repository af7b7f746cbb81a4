"""How the server logs: lines for people or for machines, on standard error."""

import logging
import sys
from typing import Literal

import structlog


def configure(level: str, log_format: Literal["console", "json"]) -> None:
    """Have everything, also what libraries log, written to standard error in one form.

    Args:
        level: The least level that is written: debug, info, warning or error.
        log_format: For people or for machines.
    """
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.typing.Processor
    if log_format == "json":
        last = structlog.processors.JSONRenderer()
        before.append(structlog.processors.format_exc_info)
    else:
        # Plain, because others show the values of variables: what users said, and secrets.
        last = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("reflexio").setLevel(level.upper())
    logging.getLogger("reflexio_server").setLevel(level.upper())
