"""What every namespace has, and what goes with an account."""

from __future__ import annotations

from moorage.control.service_accounts import ServiceAccountController
from moorage.model.cluster import Namespace
from moorage.model.config import ConfigMap, Secret, ServiceAccount
from moorage.model.meta import Key, ObjectMeta
from moorage.model.verbs import Collect
from tests.control.things import World

CA = "-----BEGIN CERTIFICATE-----\n"


def namespace(name: str, ending: bool = False) -> Namespace:
    return Namespace(metadata=ObjectMeta(name=name, deletion_timestamp="2026-01-01T00:00:00Z" if ending else None))


def token(account: str = "bob") -> Secret:
    annotations = {"kubernetes.io/service-account.name": account}
    metadata = ObjectMeta(name="it", namespace="default", annotations=annotations)
    return Secret(metadata=metadata, type="kubernetes.io/service-account-token")


def test_every_namespace_has_an_account_and_the_authority() -> None:
    world = World(namespace("default"), namespace("other"), namespace("leaving", ending=True))
    world.settle(ServiceAccountController(CA))
    assert sorted(world.snapshot.all(ServiceAccount)) == [Key("default", "default"), Key("other", "default")]
    maps = world.snapshot.all(ConfigMap)
    assert sorted(maps) == [Key("default", "kube-root-ca.crt"), Key("other", "kube-root-ca.crt")]
    assert {each.data["ca.crt"] for each in maps.values()} == {CA}


def test_what_is_deleted_or_changed_comes_back() -> None:
    world = World(namespace("default"))
    one = ServiceAccountController(CA)
    world.settle(one)
    world.remove(ServiceAccount, "default")
    world.put(ConfigMap(metadata=ObjectMeta(name="kube-root-ca.crt", namespace="default"), data={"ca.crt": "other"}))
    world.settle(one)
    assert world.snapshot.get(ServiceAccount, Key("default", "default")) is not None
    assert world.snapshot.all(ConfigMap)[Key("default", "kube-root-ca.crt")].data == {"ca.crt": CA}


def test_without_an_authority_there_is_only_the_account() -> None:
    world = World(namespace("default"))
    world.settle(ServiceAccountController(""))
    assert (len(world.snapshot.all(ServiceAccount)), len(world.snapshot.all(ConfigMap))) == (1, 0)


def test_the_token_of_an_account_that_went_goes() -> None:
    bob = ServiceAccount(metadata=ObjectMeta(name="bob", namespace="default"))
    world = World(namespace("default"), bob, token())
    one = ServiceAccountController("")
    world.settle(one)
    world.remove(ServiceAccount, "bob")
    world.look(one)
    (collect,) = world.verbs
    assert isinstance(collect, Collect)
    assert (collect.key, [each.name for each in collect.owners]) == (Key("default", "it"), ["bob"])
