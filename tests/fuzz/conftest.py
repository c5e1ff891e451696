"""A server of its own for fuzzing: what is written here disturbs no other test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import load
from tests.server import served


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    with served(tmp_path_factory.mktemp("fuzzed")) as server:
        yield load(server.kubeconfig)
