"""Ingress and IngressClass.

Source: `pkg/apis/networking/validation/validation.go`, and the admission plugin DefaultIngressClass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from moorage.manifest.convert import load
from moorage.model.errors import FieldError, forbidden, invalid, not_supported, required, too_long
from moorage.model.ingress import (
    CLASS_ANNOTATION,
    DEFAULT_CLASS_ANNOTATION,
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressClassParameters,
    IngressRule,
    IngressStatus,
    TypedLocalObjectReference,
)
from moorage.model.kinds import INGRESS_CLASSES
from moorage.registry import formats
from moorage.registry.strategy import Allocation, ReadView, Strategy

if TYPE_CHECKING:
    from random import Random

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_FORBIDDEN_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_FORBIDDEN_AT_THE_END = ("/..", "/.")
_SCOPES = ("Cluster", "Namespace")
_CONTROLLER_LIMIT = 250


class IngressStrategy(Strategy[Ingress]):
    """An Ingress without a class gets the default one, where an IngressClass says that it is the default."""

    counts_generations = True

    def prepare_create(self, obj: Ingress) -> Ingress:
        return msgspec.structs.replace(obj, status=IngressStatus())

    def validate(self, obj: Ingress) -> list[FieldError]:
        spec = obj.spec
        errors: list[FieldError] = []
        if not spec.rules and spec.default_backend is None:
            errors.append(invalid("spec", list(spec.rules), "either `defaultBackend` or `rules` must be specified"))
        if spec.default_backend is not None:
            errors += _backend("spec.defaultBackend", spec.default_backend)
        for index, rule in enumerate(spec.rules):
            errors += _rule(f"spec.rules[{index}]", rule)
        for index, tls in enumerate(spec.tls):
            for number, host in enumerate(tls.hosts):
                errors += _host(f"spec.tls[{index}].hosts[{number}]", host)
            name = tls.secret_name
            errors += [invalid(f"spec.tls[{index}].secretName", name, each) for each in formats.dns_subdomain(name) if name]
        name = spec.ingress_class_name or ""
        if spec.ingress_class_name is not None:
            errors += [invalid("spec.ingressClassName", name, each) for each in formats.dns_subdomain(name)]
        return errors

    def validate_status(self, before: Ingress, after: Ingress) -> list[FieldError]:
        errors = []
        for index, each in enumerate(after.status.load_balancer.ingress):
            path = f"status.loadBalancer.ingress[{index}]"
            if each.ip:
                errors += [invalid(f"{path}.ip", each.ip, text) for text in formats.address(each.ip)]
            if each.hostname:
                errors += [invalid(f"{path}.hostname", each.hostname, text) for text in formats.dns_subdomain(each.hostname)]
                errors += _no_address(f"{path}.hostname", each.hostname)
        return errors

    def allocate(self, before: Ingress | None, after: Ingress, view: ReadView, random: Random) -> Allocation[Ingress]:
        if before is not None or after.spec.ingress_class_name is not None or CLASS_ANNOTATION in after.metadata.annotations:
            return Allocation(after)
        name = _default_class(view)
        if not name:
            return Allocation(after)
        return Allocation(msgspec.structs.replace(after, spec=msgspec.structs.replace(after.spec, ingress_class_name=name)))


def _default_class(view: ReadView) -> str:
    """The newest class that says so; of several of the same second the first by name."""
    classes = [load(INGRESS_CLASSES, record.body).metadata for record in view.list(INGRESS_CLASSES.resource)]
    chosen = [each for each in classes if each.annotations.get(DEFAULT_CLASS_ANNOTATION) == "true"]
    chosen.sort(key=lambda each: each.name)
    chosen.sort(key=lambda each: each.creation_timestamp or "", reverse=True)
    return chosen[0].name if chosen else ""


def _host(path: str, host: str) -> Iterator[FieldError]:
    judge = formats.wildcard_subdomain if "*" in host else formats.dns_subdomain
    yield from (invalid(path, host, each) for each in judge(host))


def _no_address(path: str, host: str) -> Iterator[FieldError]:
    if formats.parsed_address(host) is not None:
        yield invalid(path, host, "must be a DNS name, not an IP address")


def _rule(path: str, rule: IngressRule) -> Iterator[FieldError]:
    if rule.host:
        yield from _no_address(f"{path}.host", rule.host)
        yield from _host(f"{path}.host", rule.host)
    if rule.http is not None:
        if not rule.http.paths:
            yield required(f"{path}.http.paths")
        for index, each in enumerate(rule.http.paths):
            yield from _path(f"{path}.http.paths[{index}]", each)


def _path(path: str, given: HTTPIngressPath) -> Iterator[FieldError]:
    if given.path_type is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    if given.path_type not in _PATH_TYPES:
        yield not_supported(f"{path}.pathType", given.path_type, _PATH_TYPES)
    elif not given.path.startswith("/") and (given.path or given.path_type != "ImplementationSpecific"):
        yield invalid(f"{path}.path", given.path, "must be an absolute path")
    if given.path_type in ("Exact", "Prefix"):
        for each in _FORBIDDEN_IN_PATHS:
            if each in given.path:
                yield invalid(f"{path}.path", given.path, f"must not contain '{each}'")
        for each in _FORBIDDEN_AT_THE_END:
            if given.path.endswith(each):
                yield invalid(f"{path}.path", given.path, f"cannot end with '{each}'")
    yield from _backend(f"{path}.backend", given.backend)


def _backend(path: str, backend: IngressBackend) -> Iterator[FieldError]:
    service = backend.service
    if backend.resource is not None and service is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif backend.resource is not None:
        yield from _reference(f"{path}.resource", backend.resource)
    elif service is None:
        yield invalid(path, "", "resource or service backend is required")
    else:
        if not service.name:
            yield required(f"{path}.service.name")
        yield from (
            invalid(f"{path}.service.name", service.name, each) for each in formats.dns_label(service.name) if service.name
        )
        name, number = service.port.name, service.port.number
        if name and number:
            yield invalid(path, "", "cannot set both port name & port number")
        elif name:
            yield from (invalid(f"{path}.service.port.name", name, each) for each in formats.port_name(name))
        elif number:
            yield from (invalid(f"{path}.service.port.number", number, each) for each in formats.port_number(number))
        else:
            yield required(path, "port name or number is required")


def _reference(path: str, given: TypedLocalObjectReference | IngressClassParameters) -> Iterator[FieldError]:
    group = given.api_group
    if group is not None:
        yield from (invalid(f"{path}.apiGroup", group, each) for each in formats.dns_subdomain(group))
    for field, value in (("kind", given.kind), ("name", given.name)):
        if not value:
            yield required(f"{path}.{field}")
        yield from (invalid(f"{path}.{field}", value, each) for each in formats.path_segment(value))


class IngressClassStrategy(Strategy[IngressClass]):
    counts_generations = True

    def default(self, obj: IngressClass) -> IngressClass:
        parameters = obj.spec.parameters
        if parameters is None or parameters.scope is not None:
            return obj
        parameters = msgspec.structs.replace(parameters, scope="Cluster")
        return msgspec.structs.replace(obj, spec=msgspec.structs.replace(obj.spec, parameters=parameters))

    def validate(self, obj: IngressClass) -> list[FieldError]:
        controller, path = obj.spec.controller, "spec.controller"
        errors: list[FieldError] = []
        if not controller:
            errors.append(required(path))
        else:
            if len(controller) > _CONTROLLER_LIMIT:
                errors.append(too_long(path, _CONTROLLER_LIMIT))
            errors += [invalid(path, controller, each) for each in formats.domain_prefixed_path(controller)]
        if obj.spec.parameters is not None:
            errors += _parameters("spec.parameters", obj.spec.parameters)
        return errors

    def validate_update(self, before: IngressClass, after: IngressClass) -> list[FieldError]:
        if before.spec.controller == after.spec.controller:
            return []
        return [invalid("spec.controller", after.spec.controller, "field is immutable")]


def _parameters(path: str, given: IngressClassParameters) -> Iterator[FieldError]:
    yield from _reference(path, given)
    if given.scope not in _SCOPES:
        yield not_supported(f"{path}.scope", given.scope, _SCOPES)
    elif given.scope == "Cluster" and given.namespace is not None:
        yield forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif given.scope == "Namespace" and given.namespace is None:
        yield required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    elif given.namespace is not None:
        yield from (invalid(f"{path}.namespace", given.namespace, each) for each in formats.dns_label(given.namespace))
