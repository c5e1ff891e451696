"""Whole objects, metadata only, tables, YAML; and what an Accept header chooses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml

from moorage.api.forms import Accepted, Form, Page, choose, parse_accept
from moorage.model.errors import ApiError
from moorage.model.kinds import SERVICES
from moorage.model.meta import Key
from moorage.model.ports import Record

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
KUBECTL = f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"


def record(name: str, revision: int) -> Record:
    metadata = {"name": name, "namespace": "default", "resourceVersion": str(revision)}
    body = msgspec.json.encode({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"type": "ClusterIP"}})
    return Record("services", Key("default", name), revision, body)


def form(accept: str, include: str = "") -> Form:
    return choose(SERVICES, accept, include, lambda: 0.0)


def one(accept: str, include: str = "") -> Any:
    return msgspec.json.decode(b"".join(form(accept, include).one(record("a", 7))))


def many(accept: str, *records: Record) -> Any:
    return msgspec.json.decode(b"".join(form(accept).many(Page(records, 9))))


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "application/vnd.kubernetes.protobuf,application/json"])
def test_whole(accept: str) -> None:
    assert form(accept).one(record("a", 7)) == (record("a", 7).body,)
    assert form(accept).in_event(record("a", 7)) == record("a", 7).body
    assert many(accept) == {"kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": []}
    assert [each["metadata"]["name"] for each in many(accept, record("a", 7), record("b", 8))["items"]] == ["a", "b"]


@pytest.mark.parametrize("accept", ["", METADATA, TABLE])
def test_the_metadata_of_a_page(accept: str) -> None:
    page = Page((record("a", 7),), 9, "token", 3)
    metadata = msgspec.json.decode(b"".join(form(accept).many(page)))["metadata"]
    assert metadata == {"resourceVersion": "9", "continue": "token", "remainingItemCount": 3}


def test_metadata_only() -> None:
    expected = {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "a", "namespace": "default", "resourceVersion": "7"},
    }
    assert one(METADATA) == expected
    assert msgspec.json.decode(form(METADATA).in_event(record("a", 7))) == expected
    listed = many(METADATA, record("a", 7))
    assert (listed["kind"], listed["items"]) == ("PartialObjectMetadataList", [expected])


def test_table() -> None:
    table = many(KUBECTL, record("a", 7), record("b", 8))
    assert (table["kind"], table["apiVersion"], table["metadata"]) == ("Table", "meta.k8s.io/v1", {"resourceVersion": "9"})
    assert table["columnDefinitions"][0] == {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "Name of the object, unique within its namespace.",
        "priority": 0,
    }
    assert table["rows"][1]["cells"] == ["b", "ClusterIP", "<none>", "<none>", "<none>", "<unknown>", "<none>"]
    assert table["rows"][1]["object"]["kind"] == "PartialObjectMetadata"
    assert one(KUBECTL)["rows"][0]["object"]["metadata"]["name"] == "a"


def test_what_table_rows_carry() -> None:
    assert one(TABLE, "Object")["rows"][0]["object"]["kind"] == "Service"
    assert "object" not in one(TABLE, "None")["rows"][0]


@pytest.mark.parametrize(("accept", "kind"), [("", "Service"), (METADATA, "PartialObjectMetadata"), (TABLE, "Table")])
def test_bookmarks(accept: str, kind: str) -> None:
    bookmark = msgspec.json.decode(form(accept).bookmark(9, {"a": "b"}))
    assert bookmark["kind"] == kind
    assert bookmark["metadata"] == {"resourceVersion": "9", "creationTimestamp": None, "annotations": {"a": "b"}}
    assert "annotations" not in msgspec.json.decode(form(accept).bookmark(9, {}))["metadata"]


def test_yaml() -> None:
    chosen = form("application/yaml")
    assert chosen.content_type == "application/yaml"
    assert yaml.safe_load(b"".join(chosen.one(record("a", 7))))["metadata"]["name"] == "a"
    assert len(yaml.safe_load(b"".join(chosen.many(Page((record("a", 7),), 9))))["items"]) == 1
    with pytest.raises(ApiError):
        chosen.in_event(record("a", 7))
    with pytest.raises(ApiError):
        chosen.bookmark(9, {})


@pytest.mark.parametrize(
    "accept",
    [
        "application/vnd.kubernetes.protobuf",
        "text/html",
        "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
        "application/json;as=Spoon;v=v1;g=meta.k8s.io",
    ],
)
def test_what_is_not_spoken(accept: str) -> None:
    with pytest.raises(ApiError) as caught:
        form(accept)
    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")


def test_accept_headers_are_sorted_by_quality() -> None:
    assert parse_accept("text/html;q=0.5, application/json ,*/*;q=0, x/y;q=spam") == [
        Accepted("application/json"),
        Accepted("text/html", {"q": "0.5"}),
    ]
    assert parse_accept("") == [Accepted("*/*")]
