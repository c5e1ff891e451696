"""ConfigMap and Secret: rows are cases of `TestValidateConfigMap`, `TestValidateSecret` and their updates in upstream's
`pkg/apis/core/validation/validation_test.go`.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from moorage.model.config import SERVICE_ACCOUNT_UID, Secret, ServiceAccount
from moorage.model.kinds import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS, Kind
from moorage.registry.settings import RegistrySettings
from tests.registry.world import World, causes, refused

FROZEN = "Forbidden: field is immutable when `immutable` is set"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("kind", "tree", "fields"),
    [
        (CONFIG_MAPS, {"data": {"a/b": ""}}, ["data[a/b]"]),
        (CONFIG_MAPS, {"data": {"..": ""}}, ["data[..]"]),
        (CONFIG_MAPS, {"data": {"..data": ""}}, ["data[..data]"]),
        (CONFIG_MAPS, {"data": {"k" * 254: ""}}, [f"data[{'k' * 254}]"]),
        (CONFIG_MAPS, {"data": {"k": ""}, "binaryData": {"k": ""}}, ["data[k]"]),
        (CONFIG_MAPS, {"data": {"k": "x" * (1024 * 1024 + 1)}}, [""]),
        (SECRETS, {"stringData": {"a b": ""}}, ["data[a b]"]),
        (SECRETS, {"stringData": {"k": "x" * (1024 * 1024 + 1)}}, ["data"]),
        (SECRETS, {"type": "kubernetes.io/tls"}, ["data[tls.crt]", "data[tls.key]"]),
        (SECRETS, {"type": "kubernetes.io/ssh-auth", "stringData": {"ssh-privatekey": ""}}, ["data[ssh-privatekey]"]),
        (SECRETS, {"type": "kubernetes.io/basic-auth"}, ["data[username]", "data[password]"]),
        (
            SECRETS,
            {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "x"}},
            ["data[.dockerconfigjson]"],
        ),
        (SECRETS, {"type": "kubernetes.io/dockercfg"}, ["data[.dockercfg]"]),
        (
            SECRETS,
            {"type": "kubernetes.io/service-account-token"},
            ["metadata.annotations[kubernetes.io/service-account.name]"],
        ),
    ],
)
def test_what_is_wrong(kind: Kind, tree: dict[str, Any], fields: list[str]) -> None:
    world = World()
    error = refused(world, lambda: world.create(kind, {"metadata": {"name": "it"}, **tree}), 422)
    assert [each["field"] for each in error.details["causes"]] == fields


@pytest.mark.parametrize(
    ("kind", "tree", "message"),
    [
        (
            SECRETS,
            {"data": {"k": "!"}},
            'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0',
        ),
        (CONFIG_MAPS, {"binaryData": {"k": "YQ"}}, "illegal base64 data at input byte 0"),
    ],
)
def test_what_is_no_base64_is_a_400(kind: Kind, tree: dict[str, Any], message: str) -> None:
    world = World()
    assert message in refused(world, lambda: world.create(kind, {"metadata": {"name": "it"}, **tree}), 400).message


def test_string_data_is_written_and_never_read() -> None:
    world = World()
    world.create(SECRETS, {"metadata": {"name": "it"}, "data": {"a": b64("1"), "b": b64("2")}, "stringData": {"b": "3"}})
    secret = world.get(Secret, "it")
    assert (secret.data, secret.string_data, secret.type) == ({"a": b64("1"), "b": b64("3")}, {}, "Opaque")


@pytest.mark.parametrize(
    ("kind", "patch", "expected"),
    [
        (CONFIG_MAPS, {"data": {"k": "2"}}, [f"data: {FROZEN}"]),
        (CONFIG_MAPS, {"binaryData": {"b": "YQ=="}}, [f"binaryData: {FROZEN}"]),
        (CONFIG_MAPS, {"immutable": False}, [f"immutable: {FROZEN}"]),
        (SECRETS, {"data": {"k": b64("2")}}, [f"data: {FROZEN}"]),
        (SECRETS, {"immutable": None}, [f"immutable: {FROZEN}"]),
        (SECRETS, {"type": "example.com/other"}, ['type: Invalid value: "example.com/other": field is immutable']),
    ],
)
def test_what_is_immutable(kind: Kind, patch: dict[str, Any], expected: list[str]) -> None:
    world = World()
    data = {"k": "1" if kind is CONFIG_MAPS else b64("1")}
    world.create(kind, {"metadata": {"name": "it"}, "immutable": True, "data": data})
    assert causes(refused(world, lambda: world.merge(kind, "it", patch), 422)) == expected
    world.merge(kind, "it", {"metadata": {"labels": {"still": "free"}}})


class Signer:
    ca = "CA"

    def issue(self, claims: dict[str, Any]) -> str:
        return msgspec.json.encode(claims).decode()


def test_a_secret_is_given_the_token_of_the_account_that_it_names() -> None:
    """Source: kube-controller-manager's tokens controller; `pkg/serviceaccount/legacy.go` for the claims."""
    world = World(RegistrySettings(tokens=Signer()))
    world.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bob"}})
    uid = world.get(ServiceAccount, "bob").metadata.uid
    metadata = {"name": "it", "annotations": {"kubernetes.io/service-account.name": "bob"}}
    world.create(SECRETS, {"metadata": metadata, "type": "kubernetes.io/service-account-token"})
    secret = world.get(Secret, "it")
    assert (secret.data["ca.crt"], secret.data["namespace"]) == (b64("CA"), b64("default"))
    assert secret.metadata.annotations[SERVICE_ACCOUNT_UID] == uid
    claims = msgspec.json.decode(base64.b64decode(secret.data["token"]))
    assert claims["sub"] == "system:serviceaccount:default:bob"
    assert claims["kubernetes.io/serviceaccount/service-account.uid"] == uid
