"""`networking.k8s.io/v1` Ingress and IngressClass. Nothing of Moorage serves them: they are kept for those who do."""

from __future__ import annotations

from moorage.model.meta import Object
from moorage.model.service import PortStatus
from moorage.model.wire import ApiType

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
"""How a class was named before `spec.ingressClassName`."""
DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


class ServiceBackendPort(ApiType, frozen=True):
    """Either a name or a number."""

    name: str = ""
    number: int = 0


class IngressServiceBackend(ApiType, frozen=True):
    name: str = ""
    port: ServiceBackendPort = ServiceBackendPort()


class TypedLocalObjectReference(ApiType, frozen=True):
    api_group: str | None = None
    kind: str = ""
    name: str = ""


class IngressBackend(ApiType, frozen=True):
    """Either a Service or any other resource."""

    service: IngressServiceBackend | None = None
    resource: TypedLocalObjectReference | None = None


class HTTPIngressPath(ApiType, frozen=True):
    """`path_type` is Exact, Prefix or ImplementationSpecific."""

    path: str = ""
    path_type: str | None = None
    backend: IngressBackend = IngressBackend()


class HTTPIngressRuleValue(ApiType, frozen=True):
    paths: tuple[HTTPIngressPath, ...] = ()


class IngressRule(ApiType, frozen=True):
    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(ApiType, frozen=True):
    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(ApiType, frozen=True):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    tls: tuple[IngressTLS, ...] = ()
    rules: tuple[IngressRule, ...] = ()


class IngressLoadBalancerIngress(ApiType, frozen=True):
    ip: str = ""
    hostname: str = ""
    ports: tuple[PortStatus, ...] = ()


class IngressLoadBalancerStatus(ApiType, frozen=True):
    ingress: tuple[IngressLoadBalancerIngress, ...] = ()


class IngressStatus(ApiType, frozen=True):
    load_balancer: IngressLoadBalancerStatus = IngressLoadBalancerStatus()


class Ingress(Object, frozen=True):
    spec: IngressSpec = IngressSpec()
    status: IngressStatus = IngressStatus()


class IngressClassParameters(ApiType, frozen=True):
    """`scope` is Cluster or Namespace; only the latter has a namespace."""

    api_group: str | None = None
    kind: str = ""
    name: str = ""
    scope: str | None = None
    namespace: str | None = None


class IngressClassSpec(ApiType, frozen=True):
    controller: str = ""
    parameters: IngressClassParameters | None = None


class IngressClass(Object, frozen=True):
    spec: IngressClassSpec = IngressClassSpec()
