from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from moorage.model.errors import UserError
from moorage.observe.log_io import configure


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Leaves logging as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_programs_get_json_lines() -> None:
    out = io.StringIO()
    configure("node", stream=out)
    structlog.get_logger().info("applied", ms=1.5, operations=3)
    structlog.get_logger().debug("too fine")
    logging.getLogger("aiohttp").warning("closed %s", "early")
    applied, closed = [json.loads(line) for line in out.getvalue().splitlines()]
    assert applied.pop("time").endswith("Z")
    assert applied == {"level": "info", "component": "node", "message": "applied", "ms": 1.5, "operations": 3}
    assert (closed["level"], closed["component"], closed["message"]) == ("warning", "node", "closed early")


def test_an_exception_is_one_line() -> None:
    out = io.StringIO()
    configure("node", format="json", stream=out)
    try:
        raise ValueError("oh")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = out.getvalue().splitlines()
    assert "ValueError: oh" in json.loads(line)["exception"]


def test_people_get_text() -> None:
    out = io.StringIO()
    configure("node", level="debug", format="text", stream=out)
    structlog.get_logger().debug("applied", ms=1.5)
    assert out.getvalue()[8:] == " [debug    ] applied component=node ms=1.5\n"


@pytest.mark.parametrize(("level", "format"), [("loud", "json"), ("info", "xml")])
def test_unknown_words_are_refused(level: str, format: str) -> None:
    with pytest.raises(UserError, match=r'there is no log (level|format) "(loud|xml)": use one of (debug|auto), '):
        configure("node", level, format)
