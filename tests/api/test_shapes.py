"""Shapes follow the types, and strategies name fields that exist."""

from __future__ import annotations

from moorage.api.shapes import STRATEGIES, Strategy, fully_typed, shape, takes_strategic_patch
from moorage.model.kinds import ENDPOINT_SLICES, IP_ADDRESS_POOLS, LEASES, PODS, SERVICES
from moorage.model.meta import ObjectMeta
from moorage.model.pods import Container, Pod, PodSpec
from moorage.model.service import Service, ServiceSpec


def test_every_strategy_names_a_field() -> None:
    for type_, strategies in STRATEGIES.items():
        for name, strategy in strategies.items():
            field = shape(type_)[name]
            assert field.type is None or not strategy.key or strategy.key in shape(field.type), f"{type_.__name__}.{name}"


def test_types_inside_fields() -> None:
    assert shape(Pod)["spec"].type is PodSpec
    assert shape(PodSpec)["containers"].type is Container
    assert shape(PodSpec)["containers"].strategy == Strategy("name")
    assert shape(Service)["metadata"].type is ObjectMeta
    assert shape(ServiceSpec)["sessionAffinityConfig"].type is not None
    assert shape(ServiceSpec)["selector"].type is None


def test_what_is_fully_typed() -> None:
    assert [fully_typed(kind.type) for kind in (SERVICES, ENDPOINT_SLICES, LEASES)] == [True, True, True]
    assert [fully_typed(kind.type) for kind in (PODS, IP_ADDRESS_POOLS)] == [False, False]


def test_who_takes_strategic_patches() -> None:
    assert [takes_strategic_patch(kind) for kind in (SERVICES, LEASES, IP_ADDRESS_POOLS)] == [True, True, False]
