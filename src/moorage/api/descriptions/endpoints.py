"""Notes on endpoints: EndpointSlices and the older Endpoints."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.endpoints import EndpointAddress, Endpoints, EndpointSubset, SubsetPort
from moorage.model.slices import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForNode,
    ForZone,
)
from moorage.model.wire import ApiType

_PORT = """
One port that all the endpoints have.
name: Name of the port, the same as at the Service.
protocol: TCP (the default), UDP or SCTP.
appProtocol: What is spoken inside, such as kubernetes.io/h2c or https.
"""

NOTES: Mapping[type[ApiType], str] = {
    EndpointSlice: """
A part of the endpoints of a Service, all of one address family and with the same ports. The label kubernetes.io/service-name
  tells which Service.
addressType!: IPv4, IPv6 or FQDN. Cannot be changed.
endpoints: The endpoints, at most 1000.
ports: The ports that all the endpoints have.
""",
    Endpoint: """
Somebody who answers for a Service, in most cases a Pod.
addresses!: The address. Only the first one is used.
conditions: Whether the endpoint takes traffic.
hostname: Name of the endpoint in DNS, where it has one.
targetRef: The object behind the endpoint, in most cases a Pod.
deprecatedTopology: What earlier versions of the API said of the place. Nobody reads it.
nodeName: The node on which the endpoint is.
zone: The zone in which the endpoint is.
hints: Who should prefer this endpoint.
""",
    EndpointConditions: """
Whether an endpoint takes traffic. What is not said counts as true for ready and serving, as false for terminating.
ready: Takes new connections.
serving: Would be ready if it were not about to end.
terminating: Is about to end.
""",
    EndpointHints: """
Who should prefer an endpoint.
forZones: Zones whose clients should use it.
forNodes: Nodes whose clients should use it.
""",
    ForZone: """
A zone.
name!: Name of the zone.
""",
    ForNode: """
A node.
name!: Name of the node.
""",
    EndpointPort: f"""{_PORT}
port: The number of the port.
""",
    Endpoints: """
All endpoints of the Service of the same name, in one object. Deprecated: EndpointSlices hold more, and more about each.
subsets: The endpoints, grouped by the ports that they have in common.
""",
    EndpointSubset: """
Endpoints with the same ports.
addresses: Endpoints that take traffic.
notReadyAddresses: Endpoints that do not.
ports: The ports that all the endpoints have.
""",
    EndpointAddress: """
One endpoint.
ip!: The address.
hostname: Name of the endpoint in DNS, where it has one.
nodeName: The node on which the endpoint is.
targetRef: The object behind the endpoint, in most cases a Pod.
""",
    SubsetPort: f"""{_PORT}
port!: The number of the port.
""",
}
