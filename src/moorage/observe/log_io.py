"""Where logs go and how they look: lines for people in a terminal, JSON lines for programs; always to stderr.

Code logs with `structlog.get_logger()`: a plain sentence, and values as keywords with their unit in the name (`ms`, `_s`).
What libraries log by `logging` comes out the same way, from warnings upwards.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from moorage.model.errors import UserError

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "text", "json")


def configure(component: str, level: str = "info", format: str = "auto", stream: TextIO | None = None) -> None:
    """Sets up logging for this process. `format` auto is text where `stream` (stderr) is a terminal, else json.

    JSON lines carry `time` (RFC 3339, UTC), `level`, `component`, `message` and the values. Raises UserError for an
    unknown level or format.
    """
    for word, given, known in (("level", level, LEVELS), ("format", format, FORMATS)):
        if given not in known:
            raise UserError(f'there is no log {word} "{given}": use one of {", ".join(known)}')
    out = sys.stderr if stream is None else stream
    text = format == "text" or (format == "auto" and out.isatty())

    def name_component(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event.setdefault("component", component)
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if text else "iso", utc=not text, key="time"),
        name_component,
    ]
    shown = _for_people(out) if text else _for_programs()
    structlog.configure(
        processors=[*shared, *shown],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(out, shared, shown)


def _for_people(out: TextIO) -> list[Processor]:
    colors = out.isatty() and not os.environ.get("NO_COLOR")
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors, timestamp_key="time", exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return [renderer]


def _for_programs() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(default=str),
    ]


def _adopt_libraries(out: TextIO, shared: list[Processor], shown: list[Processor]) -> None:
    """Gives the records of `logging` the same shape."""
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shown],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
