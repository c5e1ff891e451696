"""Bodies that look right and are not: every verb answers with success or an ApiError of the 4xx, whatever is in the fields."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.model.errors import ApiError
from moorage.model.kinds import STORED, Kind
from tests.registry.world import World

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 70000), st.sampled_from([2**31, -(2**63), 2**64, 1.5]), st.text(max_size=5),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
TEXTS = st.sampled_from(
    ["", "web", "None", "10.96.0.7", "10.0.0.0/24", "fd00::1", "TCP", "Local", "NodePort", "LoadBalancer", "ClientIP", "IPv4",
     "RequireDualStack", "a/b/c", "2023-11-14T22:13:20Z", "Node", "é", "x" * 300]
)  # fmt: skip


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Mostly of the right shape, sometimes not."""
    return st.integers(0, 40).flatmap(lambda number: JUNK if number == 40 else shaped(annotation))


def shaped(annotation: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return trees(annotation)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(TEXTS, values(arguments[1]), max_size=2)
    if origin in (Union, UnionType):
        return st.one_of(*[shaped(each) for each in arguments if each is not type(None)])
    return {str: TEXTS, int: st.integers(-1, 70000), bool: st.booleans()}.get(annotation, JUNK)


@cache
def trees(type_: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    fields = [field for field in msgspec.structs.fields(type_) if field.name not in ("api_version", "kind")]
    return st.fixed_dictionaries({}, optional={field.encode_name: values(field.type) for field in fields})


def _configuration(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree without what an apply refuses at once."""
    unwanted = ("managedFields", "uid", "resourceVersion")
    return {**tree, "metadata": {name: each for name, each in tree["metadata"].items() if name not in unwanted}}


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.kind)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_no_body_breaks_the_server(kind: Kind, data: st.DataObject) -> None:
    world = World()
    first, second = data.draw(trees(kind.type)), data.draw(trees(kind.type))
    for tree in (first, second):
        if isinstance(tree.get("metadata"), dict):
            tree["metadata"] = {**tree["metadata"], "name": "web", "namespace": "default", "resourceVersion": None}
        else:
            tree["metadata"] = {"name": "web"}
    calls: list[Callable[[], Any]] = [
        lambda: world.create(kind, first),
        lambda: world.update(kind, "web", second),
        lambda: world.patch(kind, "web", lambda tree: {**tree, **second}),
        lambda: world.patch(kind, "web", lambda tree: {**tree, **second}, "status"),
        lambda: world.apply(kind, "web", _configuration(first), "one"),
        lambda: world.apply(kind, "web", _configuration(second), "two", "status", force=True),
        lambda: world.apply(kind, "web", _configuration(second), "one", force=True),
        lambda: world.apply(kind, "web", second, "kubectl"),
        lambda: world.delete(kind, "web", grace_seconds=-1),
    ]
    for call in calls:
        try:
            call()
        except ApiError as refusal:
            answered = refusal.code
        else:
            answered = 200
        assert answered < 500
