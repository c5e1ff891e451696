"""What Go writes of an object in protobuf is read into the same object."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.model.kinds import BY_TYPE
from moorage.model.meta import ManagedFieldsEntry, Object, ObjectMeta
from moorage.model.protobuf import MAGIC, Encoding, Malformed, opened
from moorage.model.protobuf_numbers import BASE64, EMBEDDED, NUMBERS
from moorage.model.service import Service
from moorage.model.wire import ApiType, without_none
from tests.model.protobuf_writer import MOMENT, enveloped, field, is_time, message, varint

ENCODING = Encoding(NUMBERS)
MICRO = "2026-01-02T03:04:05.678901Z"
KINDS = [each for each in NUMBERS if issubclass(each, Object)]
NUMBER = st.integers(-(1 << 31), (1 << 31) - 1)


def values(type_: type[ApiType]) -> st.SearchStrategy[Any]:
    """Objects of a type with anything in the fields that have numbers."""
    hints = typing.get_type_hints(type_)
    known = {*NUMBERS[type_].values(), *(name for inner in EMBEDDED.get(type_, {}).values() for name in inner.values())}
    fields = {
        each.name: _field(type_, each.encode_name, hints[each.name])
        for each in msgspec.structs.fields(type_)
        if each.encode_name in known
    }
    return st.builds(type_, **fields)


def _field(type_: type[ApiType], name: str, hint: Any) -> st.SearchStrategy[Any]:
    alternatives = without_none(hint)
    if is_time(name):
        found: st.SearchStrategy[Any] = st.just(
            MOMENT if "imestamp" in name or "Transition" in name or name == "time" else MICRO
        )
    elif (type_, name) in BASE64:
        found = st.dictionaries(st.text(max_size=3), st.just("AAEC"), max_size=2)
    elif typing.get_origin(alternatives[0]) is tuple:
        found = st.lists(_plain(typing.get_args(alternatives[0])[0]), max_size=2).map(tuple)
    elif typing.get_origin(alternatives[0]) is dict:
        found = st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)
    else:
        found = st.one_of(*map(_plain, alternatives))
    if name == "managedFields":
        return st.none() | st.lists(_plain(ManagedFieldsEntry), min_size=1, max_size=2).map(tuple)
    is_optional = type(None) in typing.get_args(hint)
    return st.none() | found if is_optional else found


def _plain(hint: Any) -> st.SearchStrategy[Any]:
    if hint is msgspec.Raw:
        return st.just(msgspec.Raw(b'{"f:spec":{}}'))
    simple: dict[Any, st.SearchStrategy[Any]] = {str: st.text(max_size=5), int: NUMBER, bool: st.booleans()}
    return simple[hint] if hint in simple else values(hint)


def plain(obj: Any) -> Any:
    """Comparable: raw JSON is not."""
    return msgspec.json.decode(msgspec.json.encode(obj))


@pytest.mark.parametrize("type_", KINDS, ids=lambda each: each.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_every_object_is_read_as_it_was_written(type_: type[Object], data: st.DataObject) -> None:
    obj = data.draw(values(type_))
    assert plain(ENCODING.read(message(obj), type_)) == plain(obj)


def test_an_envelope_says_what_is_in_it() -> None:
    envelope = opened(enveloped(message(Service(metadata=ObjectMeta(name="web")))))
    assert (envelope.api_version, envelope.kind) == ("v1", "Service")
    assert ENCODING.read(envelope.raw, Service).metadata.name == "web"
    assert BY_TYPE[Service].kind == envelope.kind


@given(st.binary(max_size=60))
def test_bytes_that_are_no_message_are_refused_or_read(data: bytes) -> None:
    for bytes_ in (data, message(Service(metadata=ObjectMeta(name="web")))[: len(data)]):
        try:
            ENCODING.read(bytes_, Service)
        except ValueError:
            continue


@pytest.mark.parametrize("data", [b"", b"{}", MAGIC + b"\x0a", MAGIC + b"\x0b", MAGIC + b"\x80" * 11])
def test_what_is_no_envelope_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        opened(data)


def test_fields_that_are_not_known_are_skipped() -> None:
    unknown = field(90, 7) + field(91, "x") + varint(92 << 3 | 1) + bytes(8) + varint(93 << 3 | 5) + bytes(4)
    assert ENCODING.read(unknown + field(1, field(1, "web")), Service).metadata.name == "web"
