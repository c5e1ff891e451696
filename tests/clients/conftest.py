"""The official Python client, logged in at a real server, in a namespace of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

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
    with suppress(ApiException):  # the test may have deleted it
        core.delete_namespace(name)
