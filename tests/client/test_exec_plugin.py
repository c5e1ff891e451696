from __future__ import annotations

import json
from typing import Any

import pytest

from moorage.client.exec_plugin import V1, V1BETA1, Credentials, ExecPlugin, credentials_of, exec_info
from moorage.client.kubeconfig import parse
from moorage.model.errors import HostError, UserError

CONFIG = """
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters:
- name: c
  cluster:
    server: https://a
    certificate-authority-data: Q0E=
    tls-server-name: b
    extensions: [{name: other, extension: 1}, {name: client.authentication.k8s.io/exec, extension: {audience: x}}]
users:
- name: u
  user: {exec: EXEC}
"""
PLUGIN = ExecPlugin(command="aws", api_version=V1)
AWS = {"apiVersion": V1, "command": "aws", "interactiveMode": "Never"}


def plugin(**exec_: Any) -> ExecPlugin:
    found = parse(CONFIG.replace("EXEC", json.dumps({**AWS, **exec_})), "/etc").plugin
    assert found is not None
    return found


def test_a_kubeconfig_names_a_plugin() -> None:
    assert plugin(
        args=["token"], env=[{"name": "A", "value": "b"}], installHint="get it", provideClusterInfo=None
    ) == ExecPlugin(
        command="aws",
        api_version=V1,
        arguments=("token",),
        environment=(("A", "b"),),
        install_hint="get it",
        interactive_mode="Never",
    )
    assert plugin(command="bin/aws").command == "/etc/bin/aws"
    assert plugin(command="/bin/aws").command == "/bin/aws"
    assert plugin(apiVersion=V1BETA1, interactiveMode=None).interactive_mode == "IfAvailable"


def test_a_plugin_is_told_of_the_cluster_where_it_asks() -> None:
    cluster = {
        "server": "https://a",
        "tls-server-name": "b",
        "certificate-authority-data": "Q0E=",
        "config": {"audience": "x"},
    }
    assert json.loads(exec_info(plugin(provideClusterInfo=True), interactive=True)) == {
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {"interactive": True, "cluster": cluster},
    }
    assert json.loads(exec_info(plugin(), interactive=False))["spec"] == {"interactive": False}


@pytest.mark.parametrize(
    ("exec_", "words"),
    [
        ({"command": ""}, "has no command"),
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "but must be client.authentication.k8s.io/v1 or"),
        ({"interactiveMode": None}, 'interactiveMode is "", but must be Never, IfAvailable or Always'),
        ({"args": "token"}, "Expected `array`, got `str`"),
    ],
)
def test_a_plugin_that_cannot_be_run_is_refused(exec_: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f'kubeconfig: user "u": exec.*{words}'):
        plugin(**exec_)


def printed(status: Any, version: str = V1, kind: str = "ExecCredential") -> bytes:
    return json.dumps({"kind": kind, "apiVersion": version, "status": status}).encode()


def test_what_a_plugin_prints() -> None:
    found = credentials_of(PLUGIN, printed({"token": "t", "expirationTimestamp": "1970-01-01T00:01:00Z", "other": 1}))
    assert found == Credentials(token="t", expires_at=60.0)
    found = credentials_of(PLUGIN, printed({"clientCertificateData": "C", "clientKeyData": "K", "token": None}))
    assert found == Credentials(certificate=b"C", key=b"K")
    assert "K" not in repr(found).removeprefix("Credentials")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (b"hello", "no ExecCredential: JSON is malformed"),
        (b"[]", "no ExecCredential: Expected `object`"),
        (printed({"token": "t"}, V1BETA1), f"{V1BETA1} ExecCredential, but the kubeconfig says ExecCredential of {V1}"),
        (printed({"token": "t"}, V1, "Pod"), f"{V1} Pod, but"),
        (b"{}", "no version of no kind, but"),
        (printed(None), "neither a token nor a client certificate"),
        (printed({"token": ""}), "neither a token nor a client certificate"),
        (printed({"clientCertificateData": "C", "token": "t"}), "a client certificate or a key, not both"),
        (printed({"token": "t", "expirationTimestamp": "soon"}), "expirationTimestamp that is no time: soon"),
        (printed({"token": 1}), "Expected `str`, got `int`"),
    ],
)
def test_what_is_no_credential(output: bytes, words: str) -> None:
    with pytest.raises(HostError, match=f"the credential plugin aws printed.*{words}"):
        credentials_of(PLUGIN, output)
