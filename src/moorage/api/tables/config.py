"""Tables of ConfigMap, Secret, ServiceAccount, Ingress and IngressClass.

Source: `pkg/printers/internalversion/printers.go` of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping

from moorage.api.tables.cells import NONE, age
from moorage.api.tables.layout import AGE, NAME, Layout, plain
from moorage.model.config import ConfigMap, Secret, ServiceAccount
from moorage.model.ingress import Ingress, IngressClass
from moorage.model.meta import Object

_ADDRESS_WIDTH = 16
"""Longer addresses of an Ingress are cut: the printer does not know whether `-o wide` is asked for."""
_HOSTS = 3


def _config_map(obj: ConfigMap, now: float) -> tuple[object, ...]:
    return obj.metadata.name, len(obj.data) + len(obj.binary_data), age(obj.metadata.creation_timestamp, now)


def _secret(obj: Secret, now: float) -> tuple[object, ...]:
    return obj.metadata.name, obj.type, len(obj.data), age(obj.metadata.creation_timestamp, now)


def _service_account(obj: ServiceAccount, now: float) -> tuple[object, ...]:
    return obj.metadata.name, len(obj.secrets), age(obj.metadata.creation_timestamp, now)


def _ingress(obj: Ingress, now: float) -> tuple[object, ...]:
    spec = obj.spec
    addresses = ",".join(each.ip or each.hostname for each in obj.status.load_balancer.ingress)
    if len(addresses) > _ADDRESS_WIDTH:
        addresses = f"{addresses[: _ADDRESS_WIDTH - 3]}..."
    ports = "80, 443" if spec.tls else "80"
    class_name = NONE if spec.ingress_class_name is None else spec.ingress_class_name
    return obj.metadata.name, class_name, _hosts(obj), addresses, ports, age(obj.metadata.creation_timestamp, now)


def _hosts(obj: Ingress) -> str:
    hosts = [rule.host for rule in obj.spec.rules if rule.host]
    text = ",".join(hosts[:_HOSTS]) or "*"
    return f"{text} + {len(hosts) - _HOSTS} more..." if len(hosts) > _HOSTS else text


def _ingress_class(obj: IngressClass, now: float) -> tuple[object, ...]:
    given = obj.spec.parameters
    parameters = NONE
    if given is not None:
        kind = given.kind if given.api_group is None else f"{given.kind}.{given.api_group}"
        parameters = f"{kind}/{given.name}"
    return obj.metadata.name, obj.spec.controller, parameters, age(obj.metadata.creation_timestamp, now)


LAYOUTS: Mapping[type[Object], Layout] = {
    ConfigMap: Layout((NAME, *plain("Data"), AGE), _config_map),
    Secret: Layout((NAME, *plain("Type", "Data"), AGE), _secret),
    ServiceAccount: Layout((NAME, *plain("Secrets"), AGE), _service_account),
    Ingress: Layout((NAME, *plain("Class", "Hosts", "Address", "Ports"), AGE), _ingress),
    IngressClass: Layout((NAME, *plain("Controller", "Parameters"), AGE), _ingress_class),
}
