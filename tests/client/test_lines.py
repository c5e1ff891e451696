from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.client.lines import Lines


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_lines_are_the_same_however_they_arrive(size: int) -> None:
    text = b'{"a":1}\n\n{"b":2}\n{"c":3}\n{"unfinished'
    lines = Lines()
    found = [line for start in range(0, len(text), size) for line in lines.feed(text[start : start + size])]
    assert found == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@given(st.lists(st.binary(max_size=20)))
def test_no_byte_is_lost(chunks: list[bytes]) -> None:
    lines = Lines()
    found = [line for chunk in [*chunks, b"\n"] for line in lines.feed(chunk)]
    assert found == [line for line in (b"".join(chunks) + b"\n").split(b"\n") if line.strip()]
