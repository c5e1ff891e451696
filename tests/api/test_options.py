"""Query parameters become options; nonsense is refused in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.api.exchange import Request
from moorage.api.options import delete_options, manager_of, write_options
from moorage.model.errors import ApiError
from moorage.model.ports import DeleteOptions, WriteOptions


async def nothing() -> bytes:
    return b""


def deleting(query: dict[str, str], body: Any) -> DeleteOptions:
    return delete_options(Request("DELETE", "/", query, {}, nothing), body)


def test_write_options() -> None:
    query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "kubectl"}
    assert write_options(query, "Create") == WriteOptions(dry_run=True, field_validation="Strict", manager="kubectl")
    assert write_options({}, "Create") == WriteOptions()
    assert write_options({"fieldManager": "me"}, "Patch") == WriteOptions(manager="me")
    with pytest.raises(ApiError) as caught:
        write_options({"dryRun": "Some", "fieldValidation": "Loose"}, "Create")
    assert caught.value.code == 422
    assert caught.value.message == (
        'CreateOptions.meta.k8s.io "" is invalid: [dryRun: Unsupported value: "Some": supported values: "All", '
        'fieldValidation: Unsupported value: "Loose": supported values: "Ignore", "Strict", "Warn"]'
    )


@pytest.mark.parametrize(
    ("user_agent", "manager"),
    [
        ("kubectl/v1.36.0 (linux/amd64) kubernetes/abc", "kubectl"),
        ("Mozilla", "Mozilla"),
        ("a\tb/1", "ab"),
        ("m" * 200, "m" * 128),
        ("ü" * 100, "ü" * 64),
        ("", ""),
    ],
)
def test_the_manager_of_a_user_agent(user_agent: str, manager: str) -> None:
    """Source: apiserver `endpoints/handlers/create.go` prefixFromUserAgent."""
    assert manager_of(user_agent) == manager
    assert write_options({}, "Create", user_agent).manager == manager
    assert write_options({"dryRun": "All"}, "Create", user_agent).manager == manager
    assert write_options({"fieldManager": "me"}, "Create", user_agent).manager == "me"


def test_delete_options_from_the_body() -> None:
    body = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u", "resourceVersion": "4"},
        "dryRun": ["All"],
    }
    expected = DeleteOptions(grace_seconds=0, uid="u", resource_version="4", dry_run=True, propagation="Background")
    assert deleting({"gracePeriodSeconds": "9"}, body) == expected
    assert deleting({}, {"orphanDependents": True}) == DeleteOptions(propagation="Orphan")
    assert deleting({}, {"gracePeriodSeconds": None, "preconditions": None}) == DeleteOptions()


def test_delete_options_from_the_query() -> None:
    query = {"gracePeriodSeconds": "5", "propagationPolicy": "Foreground", "dryRun": "All"}
    assert deleting(query, {}) == DeleteOptions(grace_seconds=5, dry_run=True, propagation="Foreground")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"gracePeriodSeconds": "soon"}, 400),
        ({"gracePeriodSeconds": -1}, 422),
        ({"propagationPolicy": "Sideways"}, 422),
        ({"dryRun": ["Some"]}, 422),
    ],
)
def test_nonsense_in_delete_options(body: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        deleting({}, body)
    assert caught.value.code == code
