"""Whatever a client sends as a patch: it applies or it is refused, and the given document stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.patch.json_patch import apply_json_patch, copied, parse_json_patch
from moorage.api.patch.merge_patch import apply_merge_patch
from moorage.api.patch.strategic import apply_strategic_patch
from moorage.model.errors import ApiError
from moorage.model.service import Service

WORDS = st.sampled_from(
    [
        "metadata",
        "spec",
        "ports",
        "port",
        "finalizers",
        "conditions",
        "labels",
        "a",
        "-",
        "0",
        "",
        "~1",
        "$patch",
        "$retainKeys",
    ]
    + [f"${each}/{name}" for each in ("setElementOrder", "deleteFromPrimitiveList") for name in ("ports", "finalizers")]
)
SCALARS = st.none() | st.booleans() | st.integers(-2, 90) | st.sampled_from(["a", "delete", "replace", "merge"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=4)
SPECS = st.fixed_dictionaries({"spec": OBJECTS, "metadata": OBJECTS})
POINTERS = st.lists(WORDS, max_size=4).map(lambda words: "".join(f"/{word}" for word in words))
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "spoon"]), "path": POINTERS},
    optional={"from": POINTERS, "value": VALUES},
)


def outcome(change: Callable[[], Any]) -> int:
    """The status that a client would see; anything but an object or an ApiError is a failure of the test."""
    try:
        result = change()
    except ApiError as error:
        return error.code
    assert isinstance(result, dict)
    return 200


@given(SPECS, SPECS)
def test_strategic(document: Any, patch: Any) -> None:
    before = copied(document)
    assert outcome(lambda: apply_strategic_patch(document, patch, Service)) in (200, 400, 422)
    assert document == before


@given(OBJECTS, OBJECTS)
def test_merge(document: Any, patch: Any) -> None:
    before = copied(document)
    merged = apply_merge_patch(document, patch)
    assert document == before
    assert apply_merge_patch(merged, patch) == merged


@given(OBJECTS, st.lists(OPERATIONS, max_size=4))
def test_json(document: Any, operations: Any) -> None:
    before = copied(document)
    body = msgspec.json.encode(operations)
    assert outcome(lambda: apply_json_patch(document, parse_json_patch(body))) in (200, 400, 422)
    assert document == before
