"""Notes on `networking.k8s.io`: Service ranges, addresses, and Ingress."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.ingress import (
    HTTPIngressPath,
    HTTPIngressRuleValue,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressClassSpec,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
    IngressTLS,
    ServiceBackendPort,
)
from moorage.model.service_cidrs import IPAddress, IPAddressSpec, ParentReference, ServiceCIDR, ServiceCIDRSpec
from moorage.model.wire import ApiType

NOTES: Mapping[type[ApiType], str] = {
    ServiceCIDR: "A range from which Services get their addresses.",
    ServiceCIDRSpec: """
The range.
cidrs: The prefix, at most one of each family. Cannot be changed, except that a second family may be added.
""",
    IPAddress: "Records that an address of a Service range is in use; its name is the address.",
    IPAddressSpec: """
Who has the address.
parentRef!: The object that has the address.
""",
    ParentReference: """
Another object.
group: API group of the object.
resource!: Its kind, as the plural in URLs.
namespace: Its namespace.
name!: Its name.
""",
    Ingress: "How requests from outside find Services by host name and path.",
    IngressSpec: """
The rules.
ingressClassName: Which controller is responsible.
defaultBackend: Who answers where no rule fits.
tls: Host names that are served with TLS.
rules: Which requests go where.
""",
    IngressBackend: """
Who answers.
service: A Service in the same namespace.
resource: Another object in the same namespace, instead of a Service.
""",
    IngressServiceBackend: """
A Service.
name!: Name of the Service.
port: Its port.
""",
    ServiceBackendPort: """
A port of a Service, by name or by number.
name: Name of the port.
number: Number of the port.
""",
    IngressTLS: """
Host names that share a certificate.
hosts: The host names.
secretName: The Secret with the certificate and its key.
""",
    IngressRule: """
What happens to requests for one host name.
host: The host name; `*.` at its beginning stands for one label. Empty for all.
http: Which path goes where.
""",
    HTTPIngressRuleValue: """
Which path goes where.
paths!: The paths.
""",
    HTTPIngressPath: """
One path, and who answers there.
path: The path; begins with a slash.
pathType!: Exact, Prefix or ImplementationSpecific.
backend!: Who answers.
""",
    IngressClass: "A kind of Ingress controller that the cluster has.",
    IngressClassSpec: """
Who is responsible.
controller: Name of the controller, such as example.com/ingress.
parameters: An object with settings for it.
""",
}
