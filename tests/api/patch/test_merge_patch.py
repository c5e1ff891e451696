"""RFC 7386, appendix A, for the cases whose documents are objects."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.api.patch.merge_patch import apply_merge_patch


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "text"}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
    ],
)
def test_examples_of_the_rfc(document: Any, patch: Any, expected: Any) -> None:
    assert apply_merge_patch(document, patch) == expected


def test_the_given_document_stays_as_it_is() -> None:
    document = {"metadata": {"labels": {"a": "1"}}}
    assert apply_merge_patch(document, {"metadata": {"labels": {"a": None, "b": "2"}}}) == {"metadata": {"labels": {"b": "2"}}}
    assert document == {"metadata": {"labels": {"a": "1"}}}
