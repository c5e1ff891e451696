"""Every request that a role sends in a test of this room is judged when the test is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sent.exchange import hearing
from tests.sent.judge import judge
from tests.sent.roles import ROLES, embedded


@pytest.fixture(autouse=True)
def _requests_are_right(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with hearing(monkeypatch) as heard:
        yield
    assert judge([each for each in heard if each.agent in ROLES], embedded) == []
