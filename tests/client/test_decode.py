from __future__ import annotations

import pytest

from moorage.client.decode import decode_event, decode_list, decode_object, error_of
from moorage.model.cluster import Lease
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice


def test_an_object_with_nulls() -> None:
    body = b'{"kind":"EndpointSlice","metadata":{"name":"a","creationTimestamp":null},"endpoints":null,"ports":null}'
    assert decode_object(body, EndpointSlice).endpoints == ()


def test_items_get_the_kind_they_lack_and_nulls_are_borne() -> None:
    body = b'{"metadata":{"resourceVersion":"7","continue":"x"},"items":[%s]}'
    plain, nulls = b'{"metadata":{"name":"a"}}', b'{"metadata":{"name":"b"},"endpoints":null}'
    for items, names in ((plain, ["a"]), (plain + b"," + nulls, ["a", "b"]), (b"", [])):
        page = decode_list(body % items)
        objects = [decode_object(each, EndpointSlice) for each in page.items or ()]
        assert [each.metadata.name for each in objects] == names
        assert {(each.api_version, each.kind) for each in objects} <= {("discovery.k8s.io/v1", "EndpointSlice")}
        assert (page.metadata.resource_version, page.metadata.continue_) == ("7", "x")


def test_of_the_owners_of_fields_those_of_the_status_of_a_service_are_kept() -> None:
    entry = '{"manager":"%s","operation":"Update","fieldsType":"FieldsV1","fieldsV1":{"f:status":{}}%s}'
    entries = ",".join((entry % ("lb", ',"subresource":"status"'), entry % ("kubectl", "")))
    body = f'{{"metadata":{{"name":"a","managedFields":[{entries}]}}}}'.encode()
    (kept,) = decode_object(body, Service).metadata.managed_fields or ()
    assert (kept.manager, bytes(kept.fields_v1)) == ("lb", b'{"f:status":{}}')
    assert decode_object(body, EndpointSlice).metadata.managed_fields is None


def test_a_list_whose_items_are_null_is_empty() -> None:
    assert not decode_list(b'{"metadata":{"resourceVersion":"7"},"items":null}').items


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"items":{}}'])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(HostError, match="the API server sent something that is no list or watch event: "):
        decode_list(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"metadata":{"name":1}}', b"[]", b'{"endpoints":{}}'])
def test_what_is_no_such_object_is_refused(body: bytes) -> None:
    with pytest.raises(HostError, match="the API server sent something that is no EndpointSlice: "):
        decode_object(body, EndpointSlice)


def test_events() -> None:
    added = decode_event(b'{"type":"ADDED","object":{"metadata":{"name":"a","namespace":"b"},"endpoints":null}}', EndpointSlice)
    assert (added.type, added.obj.key, added.obj.kind) == ("ADDED", Key("b", "a"), "EndpointSlice")
    bookmark = decode_event(b'{"type":"BOOKMARK","object":{"kind":"Lease","metadata":{"resourceVersion":"9"}}}', Lease)
    assert (bookmark.type, bookmark.obj.metadata.resource_version) == ("BOOKMARK", "9")


@pytest.mark.parametrize("type_", [EndpointSlice, Lease])
def test_an_error_event_is_raised(type_: type[EndpointSlice | Lease]) -> None:
    status = b'{"kind":"Status","status":"Failure","message":"too old","reason":"Expired","code":410,"metadata":{}}'
    with pytest.raises(ApiError) as caught:
        decode_event(b'{"type":"ERROR","object":%s}' % status, type_)
    assert (caught.value.code, caught.value.reason, caught.value.message) == (410, "Expired", "too old")


def test_a_line_that_is_no_event() -> None:
    with pytest.raises(HostError, match="no list or watch event"):
        decode_event(b'{"type":"ADDED"}', Lease)


def test_a_status_keeps_its_details() -> None:
    status = b'{"kind":"Status","message":"no","reason":"Invalid","code":422,"details":{"causes":[{"field":"a"}]}}'
    error = error_of(422, status)
    assert (error.code, error.reason, error.message, error.details) == (422, "Invalid", "no", {"causes": [{"field": "a"}]})


@pytest.mark.parametrize(
    ("code", "body", "reason", "message"),
    [
        (502, b"<h1>Bad Gateway</h1>", "Unknown", "the server answered 502: <h1>Bad Gateway</h1>"),
        (401, b"", "Unauthorized", "the server answered 401"),
        (500, b'{"kind":"Pod"}', "InternalError", 'the server answered 500: {"kind":"Pod"}'),
    ],
)
def test_an_answer_that_is_no_status(code: int, body: bytes, reason: str, message: str) -> None:
    error = error_of(code, body)
    assert (error.code, error.reason, error.message) == (code, reason, message)
