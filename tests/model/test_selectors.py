"""Label and field selectors. Rows cite apimachinery `pkg/labels/selector.go` and `pkg/fields/selector.go` and their tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.model.errors import ApiError
from moorage.model.selectors import Selector, parse_field_selector, parse_label_selector

LABELS = {"app": "web", "tier": "front", "weight": "7", "empty": "", "example.com/role": "a.b_c-d"}

MATCHES = [
    ("", True),
    ("app=web", True),
    ("app==web,tier=front", True),
    ("app = web , tier = front", True),
    ("app=other", False),
    ("app!=other", True),
    ("missing!=x", True),  # selector_test.go: a key that is absent is not equal
    ("empty=", True),
    ("empty", True),
    ("missing", False),
    ("!missing", True),
    ("! missing", True),
    ("!app", False),
    ("app in (web,api)", True),
    ("app in ( web , api )", True),
    ("app in(web)", True),
    ("app in (api)", False),
    ("missing in (x)", False),
    ("app notin (api)", True),
    ("missing notin (x)", True),
    ("empty in (,x)", True),
    ("empty in ()", True),
    ("app in ()", False),
    ("weight>6", True),
    ("weight > 7", False),
    ("weight<8,weight>0", True),
    ("app>1", False),
    ("example.com/role=a.b_c-d", True),
    ("app in (web),!missing,weight>3,tier", True),
]


@pytest.mark.parametrize(("text", "expected"), MATCHES)
def test_labels(text: str, expected: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) is expected


REFUSED = [
    # selector.go, the function parse
    ("=web", "found '=', expected: !, identifier, or 'end of string'"),
    ("app=web,", "found '', expected: identifier after ','"),
    ("app,,tier", "found ',', expected: identifier after ','"),
    ("app=web tier", "found 'tier', expected: ',' or 'end of string'"),
    ("!app=web", "found '=', expected: ',' or 'end of string'"),
    # parseOperator, parseValues, parseIdentifiersList, parseExactValue
    ("app is web", "unable to parse requirement: found 'is', expected: in, notin, =, ==, !=, gt, lt"),
    ("app in web", "unable to parse requirement: found 'web' expected: '('"),
    ("app in (web", "unable to parse requirement: found '', expected: ',' or ')'"),
    ("app in (web;", 'unable to parse requirement: found'),
    ("app in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
    ("app==!", "unable to parse requirement: found '!', expected: identifier"),
    # NewRequirement
    ("weight>many", "for 'Gt', 'Lt' operators, the value must be an integer"),
    ("-app=web", 'unable to parse requirement: <nil>: Invalid value: "-app"'),
    ("app=-web", 'unable to parse requirement: values[0][app]: Invalid value: "-web"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_label_selectors_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_label_selector(text)
    assert caught.value.code == 400
    assert words in caught.value.message


FIELDS = {"metadata.name": "web", "spec.type": "", "message": "a,b=c\\d"}

FIELD_MATCHES = [
    ("", True),
    ("metadata.name=web", True),
    ("metadata.name==web,spec.type=", True),
    ("metadata.name!=web", False),
    ("missing!=x", True),
    ("message=a\\,b\\=c\\\\d", True),  # selector.go: UnescapeValue
]


@pytest.mark.parametrize(("text", "expected"), FIELD_MATCHES)
def test_fields(text: str, expected: bool) -> None:
    assert parse_field_selector(text).matches(FIELDS) is expected


@pytest.mark.parametrize("text", ["metadata.name", "a=b=c", "=x", "a=\\x", "a=b,c"])
def test_field_selectors_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ApiError, match=r"invalid selector: '.*'; can't understand '") as caught:
        parse_field_selector(text)
    assert caught.value.code == 400


PIECES = ["app", "in", "notin", "(", ")", ",", "=", "==", "!=", "!", ">", "<", " ", "1", "é", "\\", "\n"]
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES)).map("".join))


@pytest.mark.parametrize("parse", [parse_label_selector, parse_field_selector])
@given(text=TEXTS)
def test_any_text_is_a_selector_or_refused(parse: Callable[[str], Selector], text: str) -> None:
    code = 200
    try:
        parse(text).matches(LABELS)
    except ApiError as refusal:
        code = refusal.code
    assert code in (200, 400)
