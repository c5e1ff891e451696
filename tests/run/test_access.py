from __future__ import annotations

from pathlib import Path

import pytest

from moorage.client import kubeconfig_io
from moorage.client.kubeconfig import Access
from moorage.model.errors import UserError
from moorage.run.access import access_of
from moorage.settings.roles import NodeSettings

CONFIG = """
current-context: a
contexts: [{name: a, context: {cluster: a}}, {name: b, context: {cluster: b}}]
clusters: [{name: a, cluster: {server: "https://a.test"}}, {name: b, cluster: {server: "https://b.test"}}]
"""


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "KUBERNETES_SERVICE_HOST", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_a_kubeconfig_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text(CONFIG)
    assert access_of(NodeSettings(kubeconfig=str(file))) == Access(server="https://a.test")
    assert access_of(NodeSettings(kubeconfig=str(file), compress_lists=True)).compress
    assert access_of(NodeSettings(kubeconfig=str(file), context="b")) == Access(server="https://b.test")
    monkeypatch.setenv("HTTPS_PROXY", "proxy:3128")
    assert access_of(NodeSettings(kubeconfig=str(file))).proxy_url == "http://proxy:3128"


def test_in_a_pod_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("token", "ca.crt"):
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(kubeconfig_io, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = access_of(NodeSettings())
    assert (found.server, found.token_file) == ("https://10.96.0.1:443", str(tmp_path / "token"))


def test_elsewhere_it_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/somebody/elses")
    with pytest.raises(UserError, match="name a kubeconfig"):
        access_of(NodeSettings())
    with pytest.raises(UserError, match="give --kubeconfig too"):
        access_of(NodeSettings(context="a"))
