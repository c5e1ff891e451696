from __future__ import annotations

from pathlib import Path

import pytest

from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import in_cluster, load
from moorage.model.errors import UserError

CONFIG = """
current-context: lab
clusters: [{name: c, cluster: {server: "https://a:1", certificate-authority: ca.crt}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: lab, context: {cluster: c, user: u}}]
"""


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "ca.crt").write_text("CA")
    assert load(tmp_path / "config") == Access(server="https://a:1", ca_file=str(tmp_path / "ca.crt"), token="t")


def test_a_missing_credential_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(CONFIG)
    with pytest.raises(UserError, match=r"config refers to .*/ca\.crt, which is no file"):
        load(tmp_path / "config")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*/absent: No such file or directory"):
        load(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"cannot read .*/binary: it is no text"):
        load(tmp_path / "binary")


def test_a_pod_finds_its_service_account(tmp_path: Path) -> None:
    for name, text in (("token", "t"), ("ca.crt", "CA"), ("namespace", "web\n")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    assert in_cluster(tmp_path, environ) == Access(
        server="https://[fd00::1]:443", ca_file=str(tmp_path / "ca.crt"), token_file=str(tmp_path / "token"), namespace="web"
    )


def test_outside_of_a_cluster_there_is_no_service_account(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this is no Pod of a cluster"):
        in_cluster(tmp_path, {})
    with pytest.raises(UserError, match="token is missing"):
        in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"})
