"""What every namespace has: the ServiceAccount `default`, and the ConfigMap with the certificate of the API server's authority.

A Secret with the token of a ServiceAccount that is gone goes, too.
Source: `pkg/controller/serviceaccount` and `pkg/controller/certificates/rootcacertpublisher`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from moorage.control.types import Plan
from moorage.control.work_queue import WorkQueue
from moorage.model.cluster import Namespace
from moorage.model.config import (
    DEFAULT_ACCOUNT,
    ROOT_CA,
    SERVICE_ACCOUNT_NAME,
    SERVICE_ACCOUNT_TOKEN,
    SERVICE_ACCOUNT_UID,
    ConfigMap,
    Secret,
    ServiceAccount,
)
from moorage.model.garbage import BACKGROUND
from moorage.model.meta import Key, Object, ObjectMeta, OwnerReference
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Collect, Create, Update, Verb


class ServiceAccountController:
    """`ca` is PEM text; without one no ConfigMaps are made."""

    name = "service-account-controller"
    wants: tuple[type[Object], ...] = (Namespace, ServiceAccount, ConfigMap, Secret)

    def __init__(self, ca: str) -> None:
        self._ca = ca
        self._queue = WorkQueue()
        self._secrets: dict[str, set[Key]] = {}

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """The queue knows namespaces."""
        self._queue.add(Key("", name) for name in self._touched(snapshot, changes))
        return self._queue.turn(snapshot, now, lambda key: self._plan(key.name, snapshot))

    def failed(self, verbs: Sequence[Verb]) -> None:
        self._queue.failed(verbs)

    def _touched(self, snapshot: Snapshot, changes: Changes) -> Iterable[str]:
        """Namespaces, by name: only the two objects that are watched over count, and accounts that went."""
        if changes.everything:
            self._secrets = {}
            changes = Changes({type_: frozenset(snapshot.all(type_)) for type_ in self.wants})
        for key in changes.of(Secret):
            secret = snapshot.get(Secret, key)
            holders = self._secrets.setdefault(key.namespace, set())
            if secret is not None and secret.type == SERVICE_ACCOUNT_TOKEN:
                holders.add(key)
            else:
                holders.discard(key)
        touched = {key.name for key in changes.of(Namespace)}
        touched |= {key.namespace for key in changes.of(ServiceAccount)}
        touched |= {key.namespace for key in changes.of(ConfigMap) if key.name == ROOT_CA}
        touched |= {key.namespace for key in changes.of(Secret) if key in self._secrets[key.namespace]}
        return sorted(touched)

    def _plan(self, name: str, snapshot: Snapshot) -> list[Verb]:
        namespace = snapshot.get(Namespace, Key("", name))
        if namespace is None or namespace.metadata.deletion_timestamp is not None:
            return []
        verbs: list[Verb] = []
        if snapshot.get(ServiceAccount, Key(name, DEFAULT_ACCOUNT)) is None:
            metadata = ObjectMeta(name=DEFAULT_ACCOUNT, namespace=name)
            verbs.append(Create(ServiceAccount(api_version="v1", kind="ServiceAccount", metadata=metadata)))
        if self._ca:
            verbs += self._authority(name, snapshot.get(ConfigMap, Key(name, ROOT_CA)))
        for key in sorted(self._secrets.get(name, ())):
            verbs += _spent(snapshot.get(Secret, key), snapshot)
        return verbs

    def _authority(self, namespace: str, found: ConfigMap | None) -> list[Verb]:
        data = {"ca.crt": self._ca}
        if found is None:
            metadata = ObjectMeta(name=ROOT_CA, namespace=namespace)
            return [Create(ConfigMap(api_version="v1", kind="ConfigMap", metadata=metadata, data=data))]
        return [Update(replace(found, data=data, binary_data={}))] if found.data != data or found.binary_data else []


def _spent(secret: Secret | None, snapshot: Snapshot) -> list[Verb]:
    """Deletes the token of an account that is not there, once the API has confirmed that."""
    if secret is None:
        return []
    meta = secret.metadata
    name, uid = (meta.annotations.get(each, "") for each in (SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_UID))
    account = snapshot.get(ServiceAccount, Key(meta.namespace, name))
    if account is not None and uid in ("", account.metadata.uid):
        return []
    owner = OwnerReference(api_version="v1", kind="ServiceAccount", name=name, uid=uid)
    return [Collect(Secret, secret.key, meta.uid, meta.resource_version, (owner,), BACKGROUND)]
