"""Options of lists and watches: what is read, and what is refused in upstream's words."""

from __future__ import annotations

import base64

import msgspec
import pytest

from moorage.api.list_options import Continue, ListOptions, is_watch, list_options, read_token, write_token
from moorage.model.errors import ApiError
from moorage.model.meta import Key
from moorage.model.selectors import parse_field_selector, parse_label_selector


def encoded(**fields: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(fields)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [({}, False), ({"watch": "true"}, True), ({"watch": "1"}, True), ({"watch": "false"}, False), ({"watch": "0"}, False)],
)
def test_watch(query: dict[str, str], expected: bool) -> None:
    assert is_watch(query) is expected


def test_options_of_a_list() -> None:
    query = {
        "labelSelector": "app=web,tier in (a,b)",
        "fieldSelector": "metadata.name=web",
        "resourceVersion": "7",
        "resourceVersionMatch": "Exact",
        "limit": "500",
        "timeoutSeconds": "30",
    }
    assert list_options(query) == ListOptions(
        labels=parse_label_selector("app=web,tier in (a,b)"),
        fields=parse_field_selector("metadata.name=web"),
        since=7,
        match="Exact",
        limit=500,
        timeout=30.0,
    )
    assert list_options({"labelSelector": "", "timeoutSeconds": "0", "resourceVersion": ""}) == ListOptions()


def test_options_of_a_watch() -> None:
    query = {
        "watch": "true",
        "resourceVersion": "0",
        "resourceVersionMatch": "NotOlderThan",
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
    }
    assert list_options(query) == ListOptions(since=0, match="NotOlderThan", bookmarks=True, initial_events=True)


@pytest.mark.parametrize(
    "query",
    [
        {"resourceVersion": "abc"},
        {"resourceVersion": "-1"},
        {"resourceVersion": "9" * 40},
        {"timeoutSeconds": "1.5"},
        {"limit": "many"},
        {"labelSelector": "=x"},
        {"fieldSelector": "metadata.name"},
        {"continue": "abc"},
        {"continue": "é"},
    ],
)
def test_what_cannot_be_read_is_a_bad_request(query: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        list_options(query)
    assert caught.value.code == 400


TOKEN = write_token(Continue(7, Key("default", "web")))

REFUSED = [
    # apimachinery apis/meta/internalversion/validation/validation.go: ValidateListOptions
    ({"resourceVersionMatch": "Exact"}, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
    ({"resourceVersionMatch": "NotOlderThan", "resourceVersion": "", "continue": TOKEN}, "forbidden when continue is provided"),
    ({"resourceVersionMatch": "Roughly", "resourceVersion": "1"}, 'supported values: "Exact", "NotOlderThan", ""'),
    (
        {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
        'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    ),
    ({"sendInitialEvents": "true"}, "sendInitialEvents is forbidden for list"),
    # the same: validateWatchOptions
    ({"watch": "1", "sendInitialEvents": "true"}, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
    (
        {"watch": "1", "resourceVersionMatch": "NotOlderThan"},
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    ),
    (
        {"watch": "1", "resourceVersionMatch": "Exact", "sendInitialEvents": "false"},
        'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"',
    ),
]


@pytest.mark.parametrize(("query", "words"), REFUSED)
def test_options_that_do_not_go_together(query: dict[str, str], words: str) -> None:
    with pytest.raises(ApiError) as caught:
        list_options(query)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message.startswith('ListOptions.meta.k8s.io "" is invalid: ')
    assert words in caught.value.message


@pytest.mark.parametrize("place", [Continue(7, Key("default", "web")), Continue(-1, Key("", "node-1"))])
def test_tokens_go_there_and_back(place: Continue) -> None:
    assert read_token(write_token(place)) == place


@pytest.mark.parametrize(
    ("token", "words"),
    [
        # apiserver storage/continue.go: DecodeContinue
        ("!", "continue key is not valid: "),
        (encoded(v="meta.k8s.io/v2", rv=1, start="a"), "server does not recognize this encoded version meta.k8s.io/v2"),
        (encoded(v="meta.k8s.io/v1", start="a"), "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
        (encoded(v="meta.k8s.io/v1", rv=1), "encoded start key empty (version meta.k8s.io/v1)"),
        (encoded(v="meta.k8s.io/v1", rv=1, start="../secrets/a"), "continue key is not valid: ../secrets/a"),
    ],
)
def test_tokens_that_nobody_gave(token: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_token(token)
    assert caught.value.code == 400
    assert caught.value.message.startswith("invalid continue token: continue key is not valid: ")
    assert words in caught.value.message


def test_a_token_knows_its_version() -> None:
    """apiserver storage/interfaces.go: ValidateListOptions."""
    with pytest.raises(ApiError, match="specifying resource version is not allowed when using continue"):
        list_options({"continue": TOKEN, "resourceVersion": "7"})
    assert list_options({"continue": TOKEN, "resourceVersion": "0"}).token == Continue(7, Key("default", "web"))
