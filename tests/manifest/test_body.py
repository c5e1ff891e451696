"""JSON bodies: the tree, and fields given twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.manifest.body import read_body
from moorage.model.errors import ApiError


@pytest.mark.parametrize(
    ("data", "duplicates"),
    [
        (b'{"a": 1, "b": "2"}', ()),
        (b'{"a": 1, "a": 2}', ("a",)),
        (b'{"spec": {"ports": [{"port": 1}, {"port": 1, "port": 1}]}}', ("spec.ports[1].port",)),
        (b'{"a": {"x": 1}, "a": {"y": 1}}', ("a",)),
        (b'{"a": "\\u0022", "a": "\\u0022"}', ("a",)),  # escapes hide quotation marks from the count
        (b'{"a": "\\"", "b": "\\""}', ()),
    ],
)
def test_duplicates(data: bytes, duplicates: tuple[str, ...]) -> None:
    assert read_body(data).duplicates == duplicates


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"5", b"\xff", b'{"a": \x00}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_a_400(data: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read_body(data)
    assert caught.value.code == 400
    assert caught.value.message.startswith("couldn't get version/kind; json parse error: ")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=4), values, max_size=4), st.booleans())
def test_a_body_without_repetition_has_no_duplicates(tree: dict[str, Any], ascii_only: bool) -> None:
    body = read_body(json.dumps(tree, ensure_ascii=ascii_only).encode())
    assert body.duplicates == ()
