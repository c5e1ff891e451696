"""What rooms share: one server for all tests that drive clients against it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.server import Server, served


def pytest_configure() -> None:
    """A shell that starts its jobs in the background has them ignore Ctrl-C, and so would every program that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("server")) as running:
        yield running
