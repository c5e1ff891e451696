"""The official Python client, logged in at a real server, in a namespace of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config

from tests.server import Server

numbers = itertools.count(1)


@pytest.fixture
def api(server: Server) -> Iterator[Any]:
    """An ApiClient."""
    with config.new_client_from_config(str(server.kubeconfig)) as made:
        yield made


@pytest.fixture
def number() -> int:
    """Another one for each test, from 1."""
    return next(numbers)


@pytest.fixture
def namespace(api: Any, number: int) -> Iterator[str]:
    core = client.CoreV1Api(api)
    name = f"clients-{number}"
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)
