"""Tokens of ServiceAccounts: what is signed is believed, as long as what it is bound to is there."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from moorage.api.service_account_tokens import ServiceAccountAuthenticator, TokenSigner, make_key
from moorage.model.config import Secret, ServiceAccount, TokenRequest
from moorage.model.errors import ApiError
from moorage.model.kinds import PODS, SECRETS, SERVICE_ACCOUNTS
from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.ports import WriteOptions
from moorage.registry.settings import RegistrySettings
from tests.registry.world import World

SIGNER = TokenSigner(make_key(), "CA")


class Cluster(World):
    def __init__(self) -> None:
        super().__init__(RegistrySettings(tokens=SIGNER))
        self.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bob"}})
        self.authenticator = ServiceAccountAuthenticator(SIGNER, self.registry, lambda: self.now)

    def request(self, **spec: Any) -> TokenRequest:
        asked = self.registry.create(SERVICE_ACCOUNTS, "default", {"spec": spec}, WriteOptions(), "bob", "token")
        return msgspec.json.decode(asyncio.run(asked).record.body, type=TokenRequest)

    def pod(self, account: str = "bob") -> Pod:
        spec = {"serviceAccountName": account, "containers": [{"name": "c", "image": "i"}]}
        self.create(PODS, {"metadata": {"name": "web"}, "spec": spec})
        return self.get(Pod, "web")


def test_a_token_names_its_account() -> None:
    cluster = Cluster()
    user = cluster.authenticator.user(cluster.request().status.token)
    assert user is not None
    assert (user.name, user.uid) == ("system:serviceaccount:default:bob", cluster.get(ServiceAccount, "bob").metadata.uid)
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated")


def test_it_ends() -> None:
    cluster = Cluster()
    granted = cluster.request(expirationSeconds=600)
    assert granted.status.expiration_timestamp == "2023-11-14T22:23:20Z"
    cluster.now += 599
    assert cluster.authenticator.user(granted.status.token)
    cluster.now += 1
    assert cluster.authenticator.user(granted.status.token) is None


def test_a_namesake_of_a_deleted_account_is_somebody_else() -> None:
    cluster = Cluster()
    token = cluster.request().status.token
    cluster.delete(SERVICE_ACCOUNTS, "bob")
    assert cluster.authenticator.user(token) is None
    cluster.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bob"}})
    assert cluster.authenticator.user(token) is None


def test_a_token_that_is_bound_to_a_pod_ends_with_it() -> None:
    cluster = Cluster()
    pod = cluster.pod()
    token = cluster.request(boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "web"}).status.token
    user = cluster.authenticator.user(token)
    assert user is not None
    assert user.extra["authentication.kubernetes.io/pod-uid"] == (pod.metadata.uid,)
    cluster.delete(PODS, "web", grace_seconds=0)
    assert cluster.authenticator.user(token) is None


def test_a_token_for_another_audience_is_none_of_ours() -> None:
    cluster = Cluster()
    assert cluster.authenticator.user(cluster.request(audiences=["vault"]).status.token) is None


def test_the_token_of_a_secret_is_good_while_the_secret_is() -> None:
    cluster = Cluster()
    metadata = {"name": "it", "annotations": {"kubernetes.io/service-account.name": "bob"}}
    cluster.create(SECRETS, {"metadata": metadata, "type": "kubernetes.io/service-account-token"})
    token = base64.b64decode(cluster.get(Secret, "it").data["token"]).decode()
    user = cluster.authenticator.user(token)
    assert user is not None
    assert user.name == "system:serviceaccount:default:bob"
    cluster.delete(SECRETS, "it")
    assert cluster.authenticator.user(token) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.replace(".", ".x", 1),
        lambda token: "eyJhbGciOiJub25lIn0." + token.split(".")[1] + ".",
        lambda token: TokenSigner(make_key(), "").issue({"iss": "x"}),
        lambda token: "é.é.é",
        lambda token: "",
        lambda token: token + "=",
        lambda token: "..",
    ],
)
def test_what_nobody_signed_is_nobody(change: Callable[[str], str]) -> None:
    cluster = Cluster()
    assert cluster.authenticator.user(change(cluster.request().status.token)) is None


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"expirationSeconds": 599}, 422, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 2**32 + 1}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"boundObjectRef": {"kind": "Pod", "name": "gone"}}, 404, 'pods "gone" not found'),
        ({"boundObjectRef": {"kind": "Service", "name": "x"}}, 400, "cannot bind token to object of type"),
        ({"boundObjectRef": {"kind": "Pod", "name": "web", "uid": "x"}}, 409, "does not match the UID in record"),
        ({"boundObjectRef": {"kind": "Pod", "name": "web"}}, 400, "pod running with different serviceaccount name"),
    ],
)
def test_what_is_not_granted(spec: dict[str, Any], code: int, message: str) -> None:
    """Source: `pkg/registry/core/serviceaccount/storage/token.go`, `pkg/apis/authentication/validation`."""
    cluster = Cluster()
    cluster.pod(account="default")
    with pytest.raises(ApiError, match=message.replace("^", r"\^")) as refused:
        cluster.request(**spec)
    assert refused.value.code == code


def test_of_an_account_that_is_not_there() -> None:
    cluster = Cluster()
    with pytest.raises(ApiError) as refused:
        asyncio.run(cluster.registry.create(SERVICE_ACCOUNTS, "default", {}, WriteOptions(), "eve", "token"))
    assert (refused.value.code, refused.value.message) == (404, 'serviceaccounts "eve" not found')
    assert cluster.store.get("serviceaccounts", Key("default", "eve")) is None
