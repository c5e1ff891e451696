"""Manifest text -> documents with lines, or one clear sentence with line and column."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.manifest.read import read_documents
from moorage.model.errors import UserError

TWO = """\
# a Service and its Pod
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
  - port: 80
    targetPort: http
---
---
kind: Pod
metadata: {name: web}
"""


def test_documents_know_their_lines() -> None:
    service, pod = read_documents(TWO)
    assert service.tree["spec"] == {"ports": [{"port": 80, "targetPort": "http"}]}
    assert (service.line, pod.line) == (2, 12)
    assert service.line_of("spec.ports[0].targetPort") == 9
    assert service.line_of("spec.ports[0].protocol") == 8  # absent: its parent's line
    assert service.line_of("spec.type") == 6
    assert pod.line_of("spec.containers") == 12


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", True),  # YAML 1.1, as kubectl reads it
        ("a: 'yes'", "yes"),
        ("a: 010", 8),
        ("a: 1_000", 1000),
        ("a: 12:30", "12:30"),  # base 60 is not read
        ("a: 2024-01-01", "2024-01-01"),  # no timestamps in JSON
        ("a: 1.5", 1.5),
        ("a: ~", None),
        ("a: !!str 5", "5"),
        ("a: |\n  two\n  lines\n", "two\nlines\n"),
        ("a: &x [1, 2]\nb: *x", [1, 2]),
    ],
)
def test_scalars_are_json_values(text: str, value: Any) -> None:
    assert read_documents(text)[0].tree["a"] == value


@pytest.mark.parametrize(
    ("text", "keys"),
    [("80: a\ntrue: b\n1.5: c", ["80", "true", "1.5"]), ("a: 1\n? b\n: 2", ["a", "b"])],
)
def test_keys_are_strings(text: str, keys: list[str]) -> None:
    assert list(read_documents(text)[0].tree) == keys


def test_merge_keys_give_what_is_not_said() -> None:
    text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nuse: {<<: [*b, *o], x: 9}\n"
    assert read_documents(text)[0].tree["use"] == {"x": 9, "y": 2, "z": 4}


def test_repeated_fields_are_found() -> None:
    text = "spec:\n  type: A\n  ports: [{port: 1, port: 2}]\n  type: B\n"
    document = read_documents(text)[0]
    assert document.duplicates == ("spec.ports[0].port", "spec.type")
    assert document.tree == {"spec": {"type": "B", "ports": [{"port": 2}]}}


def test_json_and_several_json_objects() -> None:
    documents = read_documents('{"kind": "Pod",\t"a": {"b": 1, "b": 2}}\n{"kind": "Node"}\n')
    assert [each.tree["kind"] for each in documents] == ["Pod", "Node"]
    assert [each.line for each in documents] == [1, 2]
    assert documents[0].duplicates == ("a.b",)


def test_a_brace_may_open_yaml_too() -> None:
    assert read_documents("{kind: Pod, a: [1,],}")[0].tree == {"kind": "Pod", "a": [1]}


def test_a_list_stands_for_its_items() -> None:
    text = "kind: List\napiVersion: v1\nitems:\n- kind: Pod\n- kind: Service\n  spec:\n    type: X\n    type: Y\n"
    pod, service = read_documents(text)
    assert (pod.tree["kind"], pod.line, service.line) == ("Pod", 4, 5)
    assert service.line_of("spec.type") == 7
    assert service.duplicates == ("spec.type",)


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "---\n---\n"])
def test_nothing_is_no_document(text: str) -> None:
    assert read_documents(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [1,\n 2",
            "line 3, column 1: did not find expected ',' or ']', while parsing a flow sequence that starts in line 1",
        ),
        ("a: b: c", "line 1, column 5: mapping values are not allowed in this context"),
        ("a:\n\tb: 1", "line 2, column 1: found character that cannot start any token"),
        ("- a\n- b", "line 1, column 1: a manifest is a mapping with apiVersion and kind, this is a list"),
        ("hello", "line 1, column 1: a manifest is a mapping with apiVersion and kind, this is plain text"),
        ("a: *nobody", "line 1, column 4: undefined alias nobody"),
        ("a: !!python/object:os.system {}", ""),
        ("a: !!python/name:os.system x", "line 1, column 4: the tag 'tag:yaml.org,2002:python/name:os.system' has no place"),
        ("a: .inf", "line 1, column 4: '.inf' is no JSON number"),
        ("a: .nan", "line 1, column 4: '.nan' is no JSON number"),
        ("? [1]\n: 2", "line 1, column 3: a key must be a string"),
        ("a: !!int x", "line 1, column 4: 'x' is no int"),
        ("<<: 5", "line 1, column 1: a merge key needs a mapping"),
        ("a: \x01", "character"),
        ("kind: List\nitems: [5]", "line 2, column 1: items[0] is no object"),
    ],
)
def test_errors_say_where(text: str, message: str) -> None:
    if not message:
        assert read_documents(text)[0].tree == {"a": {}}  # a tag on a collection makes no object
        return
    with pytest.raises(UserError) as caught:
        read_documents(text)
    assert str(caught.value).startswith(message)


def test_aliases_cannot_grow_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(UserError, match=r"line \d+: aliases stand for more than 100000 nodes"):
        read_documents("\n".join(lines))


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_nesting_has_a_bound(opening: str) -> None:
    with pytest.raises(UserError, match="nested deeper than 100 levels"):
        read_documents("a: " + opening * 50_000)


def test_deep_json_is_refused_not_crashed_on() -> None:
    with pytest.raises(UserError, match="nested deeper than 100 levels"):
        read_documents('{"a":' * 100_000)
