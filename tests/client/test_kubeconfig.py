from __future__ import annotations

import pytest

from moorage.client.kubeconfig import Access, parse
from moorage.model.errors import UserError

CONFIG = """
apiVersion: v1
kind: Config
current-context: lab
preferences: {}
clusters:
- name: moorage
  cluster: {server: "https://198.18.0.2:6443/", certificate-authority: pki/ca.crt, tls-server-name: kubernetes}
- name: far
  cluster: {server: "https://far:6443/k8s/1", certificate-authority-data: Q0E=, proxy-url: "http://proxy:3128"}
- name: bare
  cluster: {server: "localhost:8080"}
users:
- name: admin
  user: {token: s3cret}
- name: node
  user: {client-certificate: /etc/node.crt, client-key-data: S0VZ, tokenFile: token}
contexts:
- name: lab
  context: {cluster: moorage, user: admin, namespace: web}
- name: far
  context: {cluster: far, user: node}
- name: bare
  context: {cluster: bare, user: ""}
"""


def test_the_current_context_names_cluster_and_user() -> None:
    assert parse(CONFIG, "/home/me/.kube") == Access(
        server="https://198.18.0.2:6443",
        ca_file="/home/me/.kube/pki/ca.crt",
        tls_server_name="kubernetes",
        token="s3cret",
        namespace="web",
    )


def test_another_context_and_data_in_place_of_files() -> None:
    assert parse(CONFIG, "/home/me/.kube", context="far") == Access(
        server="https://far:6443/k8s/1",
        ca_data=b"CA",
        proxy_url="http://proxy:3128",
        certificate_file="/etc/node.crt",
        key_data=b"KEY",
        token_file="/home/me/.kube/token",
    )


def test_a_context_without_user_is_anonymous_and_a_bare_server_is_http() -> None:
    assert parse(CONFIG, context="bare") == Access(server="http://localhost:8080")


def test_a_bare_server_with_a_ca_is_https() -> None:
    text = CONFIG.replace('server: "localhost:8080"', 'server: "localhost:8080", insecure-skip-tls-verify: true')
    assert parse(text, context="bare") == Access(server="https://localhost:8080", insecure=True)


def test_nulls_are_absent() -> None:
    text = "{current-context: a, users: null, contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c, cluster: {server: x, proxy-url: null}}]}"  # noqa: E501
    assert parse(text) == Access(server="http://x")


def test_the_repr_tells_no_secret() -> None:
    assert "s3cret" not in repr(parse(CONFIG))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("current-context: lab", "", "kubeconfig: no current-context is set; there are: lab, far, bare"),
        ("current-context: lab", "current-context: labb", 'context "labb" does not exist; there are: lab, far, bare'),
        ("user: admin,", "user: admim,", 'user "admim" does not exist; there are: admin, node'),
        ("cluster: moorage,", "cluster: mooring,", 'cluster "mooring" does not exist; there are: moorage, far, bare'),
        ("cluster: moorage, user", "user", 'context "lab" names no cluster'),
        ('server: "https://198.18.0.2:6443/", ', "", 'cluster "moorage" has no server'),
        ("token: s3cret", "exec: {command: aws}", 'kubeconfig: user "admin": exec: apiVersion is "", but must be client'),
        ('"http://proxy:3128"', '"socks5://proxy:1080"', 'cluster "far": proxy-url: socks5 proxies are not supported'),
        ("token: s3cret", "auth-provider: {name: gcp}", "auth-provider, which Kubernetes removed in 1.26"),
        ("token: s3cret", "as: root", 'acts as "root": impersonation is not supported'),
        ("token: s3cret", "client-certificate: a.crt", "both a client certificate and a client key"),
        ("token: s3cret", "token: [1]", r"Expected `str`, got `array` - at `\$.users\[0\].user.token`"),
        ("token: s3cret", "client-key-data: '!'", 'user "admin": client-key-data is not base64'),
        ("tls-server-name", "insecure-skip-tls-verify: true, tls-server-name", 'cluster "moorage" has a CA and insecure'),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str) -> None:
    assert old in CONFIG
    with pytest.raises(UserError, match=message):
        parse(CONFIG.replace(old, new), context="far" if "proxy" in old else "")


@pytest.mark.parametrize(
    ("text", "message"), [("- a", "this is no kubeconfig"), ("{", "while parsing"), ("", "this is no kube")]
)
def test_what_is_no_kubeconfig_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^file: {message}"):
        parse(text, source="file")


def test_an_empty_file_says_that_there_is_no_context() -> None:
    with pytest.raises(UserError, match="no current-context is set; there is none at all"):
        parse("{}")
