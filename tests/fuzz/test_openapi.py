"""Requests made from the server's own OpenAPI documents by `schemathesis`: each gets an answer, and never a 500.

MOORAGE_FUZZ_EXAMPLES sets how many for each operation (2).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.client.kubeconfig import Access

EXAMPLES = int(os.environ.get("MOORAGE_FUZZ_EXAMPLES", "2"))
ANSWER_SECONDS = 10.0

NAMESPACES = st.sampled_from(["default", "default", "kube-system", "nowhere"])
NAMES = st.sampled_from(["web", "kubernetes", "a", "default"])


@pytest.fixture
def session(access: Access, tmp_path: Path) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        for name, data in (("ca", access.ca_data), ("certificate", access.certificate_data), ("key", access.key_data)):
            (tmp_path / name).write_bytes(data)
        made.verify = str(tmp_path / "ca")
        if access.certificate_data:
            made.cert = (str(tmp_path / "certificate"), str(tmp_path / "key"))
        if access.token:
            made.headers["Authorization"] = f"Bearer {access.token}"
        yield made


@pytest.mark.timeout(60 + 60 * EXAMPLES)
def test_every_operation_answers(access: Access, session: requests.Session) -> None:
    index = session.get(f"{access.server}/openapi/v3", timeout=ANSWER_SECONDS).json()
    asked = 0
    for each in sorted(index["paths"]):
        text = session.get(f"{access.server}/openapi/v3/{each}", timeout=ANSWER_SECONDS).text
        document = json.loads(text.replace('"*/*"', '"application/json"'))
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            asked += _ask(found.ok(), access.server, session)
    assert asked > 100


def _ask(operation: Any, server: str, session: requests.Session) -> int:
    """Asks some examples of one operation; gives how many."""
    asked = 0

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), namespace=NAMESPACES, name=NAMES, plain=st.booleans())
    def ask(case: Any, namespace: str, name: str, plain: bool) -> None:
        nonlocal asked
        asked += 1
        if plain:  # so that it comes further: no options, and a body that may be meant for this path
            case.query = {}
            if isinstance(case.body, dict):
                body = {key: value for key, value in case.body.items() if key not in ("apiVersion", "kind", "metadata")}
                case.body = {**body, "metadata": {"name": name}}
        parts = {"namespace": namespace, "name": name}
        case.path_parameters = {key: parts.get(key, value) for key, value in (case.path_parameters or {}).items()}
        asking = case.as_transport_kwargs(base_url=server)
        with session.request(**{**asking, "verify": session.verify, "timeout": ANSWER_SECONDS, "stream": True}) as response:
            status = response.status_code
        assert status < 500 or status == 504, f"{case.method} {case.formatted_path} {case.query} {case.body!r}: {status}"

    ask()
    return asked
