"""RFC 6902: the examples of its appendix A, RFC 6901's pointers, and the bounds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.api.patch.json_patch import MAX_OPERATIONS, apply_json_patch, copied, parse_json_patch
from moorage.model.errors import ApiError


def patched(document: Any, *operations: dict[str, Any]) -> Any:
    return apply_json_patch(document, parse_json_patch(msgspec.json.encode(operations)))


@pytest.mark.parametrize(
    ("document", "operation", "expected"),
    [
        ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux"}, {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, {"op": "add", "path": "/foo/1", "value": "qux"}, {"foo": ["bar", "qux", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, {"op": "remove", "path": "/baz"}, {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, {"op": "remove", "path": "/foo/1"}, {"foo": ["bar", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, {"op": "replace", "path": "/baz", "value": "boo"}, {"baz": "boo", "foo": "bar"}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            {"op": "move", "from": "/foo/waldo", "path": "/qux/thud"},
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            {"op": "move", "from": "/foo/1", "path": "/foo/3"},
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        ({"foo": "bar"}, {"op": "add", "path": "/child", "value": {"a": {}}}, {"foo": "bar", "child": {"a": {}}}),
        ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux", "xyz": 123}, {"foo": "bar", "baz": "qux"}),
        ({"foo": ["bar"]}, {"op": "add", "path": "/foo/-", "value": ["abc"]}, {"foo": ["bar", ["abc"]]}),
        ({"a": 1}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": 1, "b": 1}),
        ({"a": 1}, {"op": "replace", "path": "", "value": {"b": 2}}, {"b": 2}),
        ({"a": 1}, {"op": "add", "path": "", "value": {"b": 2}}, {"b": 2}),
        ({"a": 1}, {"op": "add", "path": "/b", "value": None}, {"a": 1, "b": None}),
    ],
)
def test_examples_of_the_rfc(document: Any, operation: Any, expected: Any) -> None:
    assert patched(document, operation) == expected


def test_pointers_escape_slash_and_tilde() -> None:
    document = {"/": 9, "~1": 10, "metadata": {"annotations": {"a/b": "old"}}}
    assert patched(document, {"op": "test", "path": "/~01", "value": 10}) == document
    changed = patched(document, {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "new"})
    assert changed["metadata"]["annotations"] == {"a/b": "new"}


def cause(error: ApiError) -> str:
    return str(error.details["causes"][0]["message"])


def test_tests_compare_json_values() -> None:
    document = {"baz": "qux", "foo": ["a", 2, "c"], "on": True, "one": 1}
    assert (
        patched(document, {"op": "test", "path": "/foo/1", "value": 2}, {"op": "test", "path": "/on", "value": True})
        == document
    )
    for path, value in (("/baz", "bar"), ("/one", True), ("/foo", ["a", 2]), ("/on", 1)):
        with pytest.raises(ApiError) as caught:
            patched(document, {"op": "test", "path": path, "value": value})
        assert (caught.value.code, cause(caught.value)) == (422, f"testing value {path} failed: test failed")


def test_the_given_document_stays_as_it_is() -> None:
    document = {"list": [{"a": 1}]}
    before = copied(document)
    patched(document, {"op": "add", "path": "/list/0/b", "value": 1}, {"op": "remove", "path": "/list/0"})
    assert document == before


def test_a_copied_value_is_a_value_of_its_own() -> None:
    steps = ({"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/b/x", "value": 1})
    assert patched({"a": {}}, *steps) == {"a": {}, "b": {"x": 1}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/missing"},
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "add", "path": "/missing/below", "value": 1},
        {"op": "add", "path": "/list/2", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/list/-1", "value": 1},
        {"op": "remove", "path": "/list/-"},
        {"op": "add", "path": "/text/x", "value": 1},
        {"op": "move", "from": "/map", "path": "/map/inner"},
        {"op": "copy", "from": "/missing", "path": "/x"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "", "value": []},
    ],
)
def test_what_does_not_apply_is_unprocessable(operation: Any) -> None:
    with pytest.raises(ApiError) as caught:
        patched({"list": [1], "text": "t", "map": {}}, operation)
    assert caught.value.code == 422
    assert caught.value.message.startswith("the server rejected our request due to an error in our request")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"not json",
        b'[{"op":"add"}]',
        b'[{"op":"spam","path":"/a"}]',
        b'[{"op":"add","path":"a","value":1}]',
        b'[{"op":"add","path":"/a"}]',
        b'[{"op":"move","path":"/a"}]',
        b"[" * 5000,
    ],
)
def test_what_is_no_patch_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse_json_patch(body)
    assert caught.value.code == 400


def test_operations_are_bounded() -> None:
    body = msgspec.json.encode([{"op": "remove", "path": "/a"}] * (MAX_OPERATIONS + 1))
    with pytest.raises(ApiError, match="10000, got 10001") as caught:
        parse_json_patch(body)
    assert caught.value.code == 413


def test_copies_cannot_grow_without_bound() -> None:
    doubling = [{"op": "copy", "from": "/list", "path": "/list/-"}] * 40
    with pytest.raises(ApiError) as caught:
        patched({"list": ["x" * 1000]}, *doubling)
    assert "bytes would be copied" in cause(caught.value)


def test_a_document_cannot_be_nested_without_bound() -> None:
    deeper: list[dict[str, Any]] = [
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/a", "value": {}},
        {"op": "move", "from": "/b", "path": "/a/a"},
    ]
    with pytest.raises(ApiError) as caught:
        patched({"a": {}}, *deeper * 1000)
    assert caught.value.code == 422
