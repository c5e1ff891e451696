"""Bodies: JSON and YAML, everything else refused, depth bounded."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from moorage.api.bodies import MAX_DEPTH, parse, read_object, too_deep
from moorage.api.exchange import Request
from moorage.manifest.body import Body
from moorage.model.errors import ApiError
from moorage.model.meta import Object
from moorage.model.pods import Pod
from moorage.model.service import Service


def read(data: bytes, content_type: str = "", type_: type[Object] = Service) -> Body:
    async def body() -> bytes:
        return data

    headers = {b"content-type": content_type.encode()} if content_type else {}
    return asyncio.run(read_object(Request("POST", "/", {}, headers, body), type_))


@pytest.mark.parametrize("content_type", ["", "application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json(content_type: str) -> None:
    assert read(b'{"metadata":{"name":"web"}}', content_type).tree == {"metadata": {"name": "web"}}


def test_yaml() -> None:
    assert read(b"metadata:\n  name: web\n", "application/yaml").tree == {"metadata": {"name": "web"}}


@pytest.mark.parametrize(
    "content_type", ["application/vnd.kubernetes.protobuf", "application/x-www-form-urlencoded", "text/plain"]
)
def test_other_media_types_are_named_as_upstream_names_them(content_type: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(b"{}", content_type, Pod)
    assert (caught.value.code, caught.value.reason) == (415, "UnsupportedMediaType")
    assert caught.value.message == (
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml"
    )


@pytest.mark.parametrize(
    ("data", "summary"),
    [
        (b"not json", "6e6f74206a736f6e"),
        (b"", "<empty>"),
        (b"[]", "5b5d"),
        (b'{"a":', '{"a":'),
        (b'{"metadata":{"name":"a-long-name"}', '{"metadata":{"name":"a-long-na ...'),
        (b"x" * 31, "78" * 30 + " ..."),
        (b"\xff\xfe", "fffe"),
        (b"[" * 100_000, "5b" * 30 + " ..."),
    ],
)
def test_what_is_no_object_says_what_it_is(data: bytes, summary: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(data)
    assert caught.value.code == 400
    assert caught.value.message.startswith("the object provided is unrecognized (must be of type Service): ")
    assert caught.value.message.endswith(f"({summary})")


@pytest.mark.parametrize("data", [b"a: [", b"--- {}\n--- {}\n", b"- a\n", b"\xff", b""])
def test_yaml_that_is_no_object(data: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read(data, "application/yaml")
    assert caught.value.code == 400


def nested(levels: int, brackets: bytes = b"[]") -> bytes:
    return b'{"a":' + brackets[:1] * (levels - 1) + brackets[1:] * (levels - 1) + b"}"


def test_depth_is_bounded() -> None:
    assert not too_deep(nested(MAX_DEPTH), msgspec.json.decode(nested(MAX_DEPTH)))
    assert too_deep(nested(MAX_DEPTH + 1), msgspec.json.decode(nested(MAX_DEPTH + 1)))
    with pytest.raises(ApiError, match="nested more than 100 levels deep"):
        parse(nested(MAX_DEPTH + 1), "application/json")
    with pytest.raises(ApiError, match="nested more than 100 levels deep"):
        read(nested(MAX_DEPTH + 1))


def test_brackets_in_strings_are_no_depth() -> None:
    data = msgspec.json.encode({"a": "[" * 500, "b": "}{" * 500, "c": {"d": []}})
    assert not too_deep(data, msgspec.json.decode(data))


@pytest.mark.parametrize("data", [b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_a_patch_is_an_object(data: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse(data, "application/json")
    assert caught.value.code == 400
