"""The notes on types and fields: nothing is described that is not there, and what people ask for is."""

from __future__ import annotations

import pytest

from moorage.api.descriptions import NOTES, describe
from moorage.api.shapes import shape
from moorage.model.meta import ObjectMeta
from moorage.model.service import Service, ServicePort, ServiceSpec, ServiceStatus
from moorage.model.slices import Endpoint, EndpointPort, EndpointSlice
from moorage.model.wire import ApiType

COMPLETE = (ObjectMeta, Service, ServiceSpec, ServicePort, ServiceStatus, EndpointSlice, Endpoint, EndpointPort)


@pytest.mark.parametrize("type_", NOTES, ids=lambda type_: type_.__name__)
def test_only_what_is_there_is_described(type_: type[ApiType]) -> None:
    known = describe(type_)
    assert set(known.fields) <= {*shape(type_), "apiVersion", "kind", "metadata", "spec", "status"}
    assert set(known.required) <= set(shape(type_))
    for text in (known.text, *known.fields.values()):
        assert text.endswith(".")


@pytest.mark.parametrize("type_", COMPLETE)
def test_everything_is_described(type_: type[ApiType]) -> None:
    assert set(shape(type_)) <= set(describe(type_).fields)
