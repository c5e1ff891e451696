"""Trees with holes: filled, written, read again; and what cannot be written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from moorage.deploy.emit import plain, stream_of, template_of, yaml_of
from moorage.deploy.tree import Block, Document, Hash, Json, Noted, Ref, Text, When, filled, go_json

TEXTS = st.text(
    st.characters(blacklist_categories=["Cc", "Cf", "Cn", "Co", "Cs"], blacklist_characters="{\u2028\u2029"), max_size=12
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | TEXTS | st.sampled_from(["yes", "No", "1e3", "0x1", "~", "a: b", "-", "a:1"])
)
TREES = st.recursive(
    SCALARS | st.builds(Json, st.lists(TEXTS, max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS, inner, max_size=4)
        | st.builds(Noted, TEXTS, st.lists(inner, max_size=2))
    ),
    max_leaves=12,
)
VALUES = {"on": True, "off": False, "none": [], "port": 80, "host": "a", "list": ["x", "y"], "deep": {"er": 1}}


def has_noted_start(node: Any) -> bool:
    """An item of a list that begins with a comment inside: it is refused."""
    match node:
        case Noted(_, value):
            return has_noted_start(value)
        case dict():
            return any(has_noted_start(each) for each in node.values())
        case list():
            first = [next(iter(e.values())) for e in node if isinstance(e, dict) and e]
            return any(isinstance(each, Noted) for each in first) or any(has_noted_start(each) for each in node)
    return False


@given(st.dictionaries(TEXTS, TREES, max_size=4).filter(lambda tree: not has_noted_start(tree)))
def test_what_is_written_is_read_as_it_was(tree: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_of(tree)) == plain(tree)


def test_holes_are_filled() -> None:
    tree = {
        "port": Ref("port"),
        "both": Text((Ref("host"), ":", Ref("port"))),
        "deep": {"er": Noted("why", Ref("deep.er"))},
        "there": When("on", {"a": 1}),
        "gone": When("off", {"a": 1}),
        "items": ["a", When("none", "b"), When("list", Noted("c", Ref("list"))), Noted("d", When("off", "d"))],
    }
    assert plain(filled(tree, VALUES)) == {
        "port": 80,
        "both": "a:80",
        "deep": {"er": 1},
        "there": {"a": 1},
        "items": ["a", ["x", "y"]],
    }


def test_a_hole_that_no_value_fills() -> None:
    with pytest.raises(KeyError):
        filled({"a": Ref("deep.est")}, VALUES)


def test_a_file_in_a_config_map() -> None:
    made = plain(filled({"data": {"it.yaml": Block({"port": Ref("port"), "no": When("off", 1)})}}, VALUES))
    assert made == {"data": {"it.yaml": "port: 80\n"}}
    assert yaml.safe_load(yaml_of(filled({"data": {"it.yaml": Block({"port": Ref("port")})}}, VALUES))) == made


def test_templates_say_what_holes_are() -> None:
    documents = [Document("x", {"a": Text(("100%", Ref("port"))), "b": When("on", {"c": Hash("deep")})}, "host")]
    assert template_of(documents).splitlines() == [
        "{{- if .Values.host }}",
        "---",
        'a: {{ printf "100%%%v" .Values.port | toJson }}',
        "{{- if .Values.on }}",
        "b:",
        "  c: {{ .Values.deep | toJson | sha256sum | toJson }}",
        "{{- end }}",
        "{{- end }}",
    ]


def test_what_would_be_an_action_is_refused() -> None:
    for each in ({"a": "{{ x }}"}, {"a": Noted("{{ x }}", 1)}):
        with pytest.raises(ValueError, match="action"):
            yaml_of(each)


def test_an_item_does_not_begin_with_a_comment_inside() -> None:
    with pytest.raises(ValueError, match="first key"):
        yaml_of([{"a": Noted("why", 1)}])


def test_long_comments_are_broken() -> None:
    lines = yaml_of({"a": Noted("word " * 60, 1)}).splitlines()
    assert len(lines) > 2
    assert all(len(each) <= 118 for each in lines)
    assert all(each.startswith("# word") for each in lines[:-1])


def test_json_is_gos() -> None:
    assert go_json({"b": "<&>\u2028", "a": [1, True]}) == '{"a":[1,true],"b":"\\u003c\\u0026\\u003e\\u2028"}'


def test_streams() -> None:
    assert list(yaml.safe_load_all(stream_of([{"a": 1}, {"b": []}]))) == [{"a": 1}, {"b": []}]
