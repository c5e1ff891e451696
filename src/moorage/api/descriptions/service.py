"""Notes on Services."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.service import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    PortStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
    SessionAffinityConfig,
)
from moorage.model.wire import ApiType

NOTES: Mapping[type[ApiType], str] = {
    Service: "A name and an address for a set of Pods that may change.",
    ServiceSpec: """
Which Pods are meant, and where they are reached.
ports: The ports of the Service. Required unless it is headless or an ExternalName.
selector: Labels of the Pods that answer. Without it, nobody fills in the endpoints but whoever writes them by hand.
clusterIP: The virtual address inside the cluster: empty to be given one, an address of the Service range, or None for a
  headless Service, whose name leads to the Pods themselves.
clusterIPs: The virtual addresses, at most one of each family; the first is the same as `clusterIP`.
type: ClusterIP (inside the cluster), NodePort (also a port of every node), LoadBalancer (also an address outside) or
  ExternalName (another DNS name).
externalIPs: Addresses that somebody leads to the nodes; the nodes answer there, too.
sessionAffinity: ClientIP keeps a client with its Pod, None (the default) does not.
sessionAffinityConfig: How long a client stays with its Pod.
loadBalancerIP: The wanted address of the load balancer. Deprecated: implementations have annotations of their own.
loadBalancerSourceRanges: Prefixes of the clients that the load balancer lets in; empty for all.
loadBalancerClass: Which implementation of load balancers is responsible; empty for the cluster's own. Cannot be changed.
allocateLoadBalancerNodePorts: Whether a LoadBalancer gets node ports as well; true unless said otherwise.
externalName: The DNS name that an ExternalName leads to.
externalTrafficPolicy: Cluster spreads traffic from outside over all Pods; Local keeps it on the node where it arrives,
  and with it the client's address.
internalTrafficPolicy: Cluster spreads traffic from inside over all Pods; Local keeps it on the node where it begins.
healthCheckNodePort: Where each node says whether it has a Pod of this Service; for LoadBalancers with the policy Local.
publishNotReadyAddresses: Whether Pods that are not ready count as well.
ipFamilies: The families of the addresses, IPv4 and IPv6, in order. The first cannot be changed.
ipFamilyPolicy: SingleStack, PreferDualStack or RequireDualStack.
trafficDistribution: Which Pods are preferred: PreferSameZone, PreferSameNode, or PreferClose, an older word for PreferSameZone.
""",
    ServicePort: """
One port of a Service.
name: Name of the port, unique in the Service; needed where there is more than one.
protocol: TCP (the default), UDP or SCTP.
appProtocol: What is spoken inside, such as kubernetes.io/h2c or https.
port!: The port at the Service's address.
targetPort: Number or name of the Pods' port; the same as `port` unless said otherwise.
nodePort: The port of every node; given by the server unless a free one is asked for.
""",
    SessionAffinityConfig: """
How long a client stays with its Pod.
clientIP: Settings for the affinity ClientIP.
""",
    ClientIPConfig: """
How long a client stays with its Pod.
timeoutSeconds: Seconds without traffic after which a client may get another Pod, at most 86400; 10800 unless said otherwise.
""",
    ServiceStatus: """
What the load balancer made of the Service.
loadBalancer: Where the Service is reached from outside.
conditions: What controllers say of the Service.
""",
    LoadBalancerStatus: """
Where a Service is reached from outside.
ingress: The addresses; traffic that arrives there is meant for the Service.
""",
    LoadBalancerIngress: """
One address of a load balancer.
ip: The address, for load balancers that have one.
hostname: The DNS name, for load balancers that have only that.
ipMode: VIP where traffic arrives with the load balancer's address as its destination, so that nodes may answer it themselves;
  Proxy where it arrives with the node's or Pod's.
ports: What became of each port.
""",
    PortStatus: """
What became of one port at the load balancer.
port!: The number of the port.
protocol!: The protocol of the port.
error: Why the port could not be served.
""",
}
