"""Warning headers and small answers."""

from __future__ import annotations

from moorage.api.exchange import json_document, text, warning_headers


def test_warnings_are_quoted() -> None:
    assert warning_headers(['unknown field "spec.x"', "back\\slash", "two\r\nlines", "café"]) == (
        (b"warning", b'299 - "unknown field \\"spec.x\\""'),
        (b"warning", b'299 - "back\\\\slash"'),
        (b"warning", b'299 - "two  lines"'),
        (b"warning", '299 - "café"'.encode()),
    )


def test_small_answers() -> None:
    assert (text("ok").status, text("ok").body, text("ok").content_type) == (200, (b"ok",), "text/plain; charset=utf-8")
    assert json_document({"a": 1}, 201).body == (b'{"a":1}',)
