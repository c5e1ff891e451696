from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import through_proxy
from moorage.client.proxies import environment_proxy
from moorage.model.errors import UserError

PROXY = "http://proxy:3128"


def leads(server: str, no_proxy: str = "") -> bool:
    return environment_proxy(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == PROXY


def test_the_scheme_of_the_server_says_which_variable_counts() -> None:
    both = {"HTTPS_PROXY": "secure:1", "HTTP_PROXY": "plain:2"}
    assert environment_proxy("https://a", both) == "http://secure:1"
    assert environment_proxy("http://a", both) == "http://plain:2"
    assert environment_proxy("https://a", {"https_proxy": "https://u:p@b"}) == "https://u:p@b"
    assert environment_proxy("https://a", {"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}) == PROXY
    assert environment_proxy("https://a", {"HTTP_PROXY": PROXY}) == ""


@pytest.mark.parametrize("server", ["https://localhost:6443", "https://127.0.0.1", "https://127.9.9.9", "https://[::1]:6443"])
def test_the_loopback_is_behind_no_proxy(server: str) -> None:
    assert not leads(server)


@pytest.mark.parametrize(
    ("server", "no_proxy", "direct"),
    [
        ("https://api.example.com", "*", True),
        ("https://api.example.com", "example.com", True),
        ("https://example.com", "example.com", True),
        ("https://example.com", ".example.com", False),
        ("https://api.example.com", ".example.com", True),
        ("https://api.example.com", "*.example.com", True),
        ("https://badexample.com", "example.com", False),
        ("https://API.example.com", "other, api.EXAMPLE.com ,", True),
        ("https://api.example.com", "api.example.com:443", True),
        ("https://api.example.com:6443", "api.example.com:443", False),
        ("https://10.96.0.1", "10.96.0.0/12", True),
        ("https://10.96.0.1", "10.0.0.0/24", False),
        ("https://10.96.0.1:443", "10.96.0.1:443", True),
        ("https://10.96.0.1:443", "10.96.0.1:6443", False),
        ("https://[fd00::1]:6443", "fd00::/64", True),
        ("https://[fd00::1]:6443", "fd00:0::1", True),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", True),
        ("https://[fd00::1]:6443", "[fd00::1]:443", False),
        ("https://api.example.com", "10.0.0.0/8", False),
        ("https://api.example.com", "", False),
    ],
)
def test_what_no_proxy_names_is_reached_directly(server: str, no_proxy: str, direct: bool) -> None:
    assert leads(server, no_proxy) != direct


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://a:1", "HTTPS_PROXY: socks5 proxies are not supported"),
        ("http://", "a proxy is a URL"),
        ("http://a:x", "a proxy is"),
    ],
)
def test_other_proxies_are_refused(proxy: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        environment_proxy("https://a", {"HTTPS_PROXY": proxy})


def test_the_kubeconfigs_proxy_wins() -> None:
    access = Access(server="https://a", proxy_url="http://mine:1")
    assert through_proxy(access, {"HTTPS_PROXY": PROXY}).proxy_url == "http://mine:1"
    assert through_proxy(Access(server="https://a"), {"HTTPS_PROXY": PROXY}).proxy_url == PROXY
    assert through_proxy(Access(server="https://a"), {}).proxy_url == ""


@given(st.text(max_size=30))
def test_any_list_is_read(no_proxy: str) -> None:
    leads("https://api.example.com", no_proxy)
    leads("https://[fd00::1]:6443", no_proxy)
