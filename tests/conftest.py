"""What rooms share: one server for all tests that drive clients against it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server import Server, served


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("server")) as running:
        yield running
