"""Notes on namespaces, nodes, events and leases."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.cluster import (
    Event,
    EventSource,
    Lease,
    LeaseSpec,
    Namespace,
    NamespaceSpec,
    NamespaceStatus,
    Node,
    NodeAddress,
    NodeSpec,
    NodeStatus,
    Taint,
)
from moorage.model.wire import ApiType

NOTES: Mapping[type[ApiType], str] = {
    Namespace: "A space for names: objects in it go with it.",
    NamespaceSpec: """
What must happen before the namespace may go.
finalizers: Who must clean up before the namespace may go.
""",
    NamespaceStatus: """
Whether the namespace is in use.
phase: Active, or Terminating once its deletion was asked for.
conditions: What stands in the way of the deletion.
""",
    Node: "A machine on which Pods run.",
    NodeSpec: """
What is wanted of a node.
podCIDR: The prefix from which Pods of this node get their addresses.
podCIDRs: The same, at most one prefix of each family; the first is `podCIDR`.
providerID: What the cloud calls the machine.
unschedulable: Whether new Pods stay away.
taints: What keeps Pods away that do not tolerate it.
""",
    Taint: """
Keeps Pods away from a node unless they tolerate it.
key!: What it is called, in the form of a label's key.
value: Further detail.
effect!: NoSchedule, PreferNoSchedule or NoExecute.
timeAdded: When it was put there.
""",
    NodeStatus: """
What is known of a node.
capacity: What the machine has.
allocatable: What Pods may use of it.
conditions: Ready, and what else is looked at.
addresses: Where the machine is reached.
nodeInfo: What runs there.
""",
    NodeAddress: """
One address of a node.
type!: InternalIP, ExternalIP, Hostname, InternalDNS or ExternalDNS.
address!: The address or name.
""",
    Event: """
Something that happened to an object.
involvedObject!: What it happened to.
reason: Why, in one word for programs.
message: What happened, in words for people.
source: Who tells of it.
firstTimestamp: When it happened first.
lastTimestamp: When it happened last.
count: How often it happened.
type: Normal or Warning.
eventTime: When it happened, to the microsecond.
series: How it goes on, if it happens again and again.
action: What was done about it.
related: Another object that has to do with it.
reportingComponent: Name of the controller that tells of it.
reportingInstance: Which instance of that controller.
""",
    EventSource: """
Who tells of an event.
component: Name of the program.
host: The node on which it runs.
""",
    Lease: "A sign of life, or the right to lead, for a limited time.",
    LeaseSpec: """
Who holds the lease, and until when.
holderIdentity: Who holds it.
leaseDurationSeconds: How long others must wait after the last renewal.
acquireTime: When the holder got it.
renewTime: When the holder last renewed it.
leaseTransitions: How often it changed hands.
strategy: How the next holder is chosen.
preferredHolder: Who should have it instead.
""",
}
