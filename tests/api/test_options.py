"""Query parameters become options; nonsense is refused in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.api.exchange import Request
from moorage.api.options import ListOptions, check_revision, delete_options, is_watch, list_options, write_options
from moorage.model.errors import ApiError
from moorage.model.ports import DeleteOptions, WriteOptions
from moorage.model.selectors import parse_field_selector, parse_label_selector


async def nothing() -> bytes:
    return b""


def deleting(query: dict[str, str], body: Any) -> DeleteOptions:
    return delete_options(Request("DELETE", "/", query, {}, nothing), body)


@pytest.mark.parametrize(
    ("query", "expected"),
    [({}, False), ({"watch": "true"}, True), ({"watch": "1"}, True), ({"watch": "false"}, False), ({"watch": "0"}, False)],
)
def test_watch(query: dict[str, str], expected: bool) -> None:
    assert is_watch(query) is expected


def test_list_options() -> None:
    query = {
        "labelSelector": "app=web,tier in (a,b)",
        "fieldSelector": "metadata.name=web",
        "resourceVersion": "7",
        "resourceVersionMatch": "Exact",
        "allowWatchBookmarks": "true",
        "sendInitialEvents": "true",
        "timeoutSeconds": "30",
        "limit": "500",
    }
    assert list_options(query) == ListOptions(
        labels=parse_label_selector("app=web,tier in (a,b)"),
        fields=parse_field_selector("metadata.name=web"),
        since=7,
        exact=True,
        bookmarks=True,
        initial_events=True,
        timeout=30.0,
    )
    assert list_options({"resourceVersion": "0", "labelSelector": "", "timeoutSeconds": "0"}) == ListOptions()


@pytest.mark.parametrize(
    "query",
    [
        {"resourceVersion": "abc"},
        {"resourceVersion": "-1"},
        {"resourceVersion": "9" * 40},
        {"timeoutSeconds": "1.5"},
        {"labelSelector": "=x"},
        {"fieldSelector": "metadata.name"},
        {"continue": "abc"},
    ],
)
def test_unreadable_list_options_are_bad_requests(query: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        list_options(query)
    assert caught.value.code == 400


def test_a_revision_from_the_future_and_one_from_the_past() -> None:
    check_revision(ListOptions(), 5)
    check_revision(ListOptions(since=3), 5)
    check_revision(ListOptions(since=5, exact=True), 5)
    with pytest.raises(ApiError, match="Too large resource version: 6, current: 5") as caught:
        check_revision(ListOptions(since=6), 5)
    assert (caught.value.code, caught.value.details["retryAfterSeconds"]) == (504, 1)
    with pytest.raises(ApiError) as caught:
        check_revision(ListOptions(since=4, exact=True), 5)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


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
