"""Every answer to "why?": one enum that logs, events, conditions, metrics, `trace` and `explain` all read."""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """The value is the CamelCase word that Kubernetes events and conditions carry; the docstring says what it means."""

    # Where a packet goes (table, trace).
    FORWARDED = "Forwarded"
    """A frontend matched and a backend was chosen."""
    NO_READY_ENDPOINT = "NoReadyEndpoint"
    """The Service has no ready endpoint: the connection is refused."""
    NO_LOCAL_ENDPOINT = "NoLocalEndpoint"
    """A traffic policy of Local found no ready endpoint on this node: the packet is dropped."""
    NO_SUCH_PORT = "NoSuchPort"
    """The address is a Service's, the port is not: the connection is refused."""
    NOT_FROM_CLUSTER = "NotFromCluster"
    """A packet from outside asks for a ClusterIP: dropped, since ClusterIPs exist inside the cluster only."""
    NOT_ALLOCATED = "NotAllocated"
    """The address is in the range of ClusterIPs, and no Service has it: dropped."""
    SOURCE_NOT_ALLOWED = "SourceNotAllowed"
    """The client is in none of the Service's `loadBalancerSourceRanges`: dropped."""
    PING_ANSWERED = "PingAnswered"
    """The node answers an echo request in the name of a Service that has a backend."""
    NOT_A_SERVICE = "NotAService"
    """No Service owns this address and port: the packet is routed as any other."""
    FRONTEND_FOUND = "FrontendFound"
    """The packet's destination is a frontend of a Service."""
    SOURCE_KEPT = "SourceKept"
    """The backend sees the client's own address."""
    MASQUERADED = "Masqueraded"
    """The backend sees the node's address, so that its answers come back through the node."""
    SHORT_CIRCUIT = "ShortCircuit"
    """The client is on this node: a policy of Local that holds for traffic from outside leaves it all endpoints."""
    SESSION_AFFINITY = "SessionAffinity"
    """The client goes where it went before, unless that is too long ago (`sessionAffinity: ClientIP`)."""
    HAIRPIN = "Hairpin"
    """The client is the chosen backend itself: it sees the node's address, or it would answer itself directly."""

    # Why an endpoint is or is not a backend (table).
    ENDPOINT_READY = "EndpointReady"
    """The endpoint is ready and takes connections."""
    ENDPOINT_TERMINATING_FALLBACK = "EndpointTerminatingFallback"
    """The endpoint is terminating but still serves, and no endpoint is ready (KEP-1669)."""
    ENDPOINT_NOT_READY = "EndpointNotReady"
    """The endpoint is not ready."""
    ENDPOINT_TERMINATING = "EndpointTerminating"
    """The endpoint is terminating; other endpoints are ready."""
    ENDPOINT_NOT_LOCAL = "EndpointNotLocal"
    """A traffic policy of Local leaves out endpoints of other nodes."""

    ENDPOINT_OTHER_ZONE = "EndpointOtherZone"
    """The endpoint is hinted for other zones; endpoints for this node's zone are ready (`spec.trafficDistribution`)."""
    ENDPOINT_OTHER_NODE = "EndpointOtherNode"
    """The endpoint is hinted for other nodes; one for this node is ready (`spec.trafficDistribution`)."""
    ENDPOINT_WEIGHT_ZERO = "EndpointWeightZero"
    """The endpoint's weight is 0 (`moorage.dev/weight`), and others have one."""

    # Why only some of the ready endpoints are backends (table, trace).
    SAME_ZONE = "SameZone"
    """Every ready endpoint has zone hints, and those for this node's zone are used."""
    SAME_NODE = "SameNode"
    """Every ready endpoint has node hints, and those for this node are used."""

    # What became of a Service (table, registry, control).
    HEADLESS = "Headless"
    """`clusterIP: None`: DNS answers with the endpoints, nothing is forwarded."""
    EXTERNAL_NAME = "ExternalName"
    """The Service is an alias in DNS (`spec.externalName`): nothing is forwarded."""
    OTHER_PROXY = "OtherProxy"
    """`service.kubernetes.io/service-proxy-name` hands the Service to another proxy."""
    DUPLICATE_FRONTEND = "DuplicateFrontend"
    """Another, older Service already owns this address and port."""
    INVALID_OBJECT = "InvalidObject"
    """The object cannot be used as it is; the message says which field."""
    UNSUPPORTED = "Unsupported"
    """The object asks for something that this part does not do yet."""

    # Load-balancer addresses (control).
    IP_ALLOCATED = "IPAllocated"
    """An address from a pool was given to the Service."""
    NO_LOAD_BALANCER = "NoLoadBalancer"
    """No load-balancer provider runs: the address stays pending."""
    NO_POOL = "NoPool"
    """No IPAddressPool matches the Service."""
    POOL_EXHAUSTED = "PoolExhausted"
    """Every matching pool is used up."""
    ADDRESS_TAKEN = "AddressTaken"
    """The requested address belongs to another Service."""
    ADDRESS_OUTSIDE_POOLS = "AddressOutsidePools"
    """The requested address is in no pool."""
    OTHER_CLASS = "OtherClass"
    """`loadBalancerClass` names another implementation."""

    # Announcing addresses (announce).
    NODE_ASSIGNED = "NodeAssigned"
    """A node announces the Service's address from now on; the message says which one."""
    ADDRESS_CONFLICT = "AddressConflict"
    """Another machine on the network answers for an address that a node announces; the message has its MAC."""
    ANNOUNCER_ISOLATED = "AnnouncerIsolated"
    """A node hears no majority of those that announce: it announces nothing until it does."""

    # Health checks of Services (observe).
    FAILED_TO_START_SERVICE_HEALTHCHECK = "FailedToStartServiceHealthcheck"
    """A node cannot answer at the Service's `healthCheckNodePort`; the message says why, and it is tried again."""

    # Endpoints (control).
    ENDPOINTS_UPDATED = "EndpointsUpdated"
    """Slices were made to match the ready Pods."""
    INVALID_IP_ADDRESS = "InvalidIPAddress"
    """An Endpoints object has addresses that are none: they are not mirrored to EndpointSlices."""
    TOO_MANY_ADDRESSES_TO_MIRROR = "TooManyAddressesToMirror"
    """A subset of an Endpoints object has more than 1,000 addresses: those beyond are not mirrored to EndpointSlices."""

    # Nodes (control, balance).
    NODE_READY = "NodeReady"
    """The node's Lease is fresh and it says that it is ready."""
    NODE_NOT_READY = "NodeNotReady"
    """The node says that it is not ready."""
    NODE_STATUS_UNKNOWN = "NodeStatusUnknown"
    """The node stopped renewing its Lease."""
    NODE_HEALTHY = "NodeHealthy"
    """The node answers the load balancer's health check."""
    NODE_UNHEALTHY = "NodeUnhealthy"
    """The node fails the load balancer's health check."""
    NO_HEALTHY_NODE = "NoHealthyNode"
    """No node that could serve the load balancer's address is healthy: the connection is refused."""
    POWERED_OFF = "PoweredOff"
    """The lab machine is switched off on request."""

    # Pods (control, lab).
    SCHEDULED = "Scheduled"
    """The Pod was given a node."""
    FAILED_SCHEDULING = "FailedScheduling"
    """No node can take the Pod."""
    STARTED = "Started"
    """A container was started."""
    KILLING = "Killing"
    """A container is being stopped."""
    BACK_OFF = "BackOff"
    """A container keeps exiting and waits before its next start."""
    UNHEALTHY = "Unhealthy"
    """A probe failed."""
    IMAGE_NOT_RUNNABLE = "ErrImageNeverPull"
    """The image is none that the lab can run; it has no container engine."""
    NETWORK_FAILED = "FailedCreatePodSandBox"
    """The Pod's network namespace could not be made; it is tried again."""
    CREATE_CONTAINER_ERROR = "CreateContainerError"
    """The container's process could not be started."""

    # Garbage collection (control).
    OWNER_REF_INVALID_NAMESPACE = "OwnerRefInvalidNamespace"
    """An object names an owner that cannot own it, since it lives in another namespace."""

    # The datapath.
    SYNCED = "Synced"
    """The kernel holds the table."""
    SYNC_FAILED = "SyncFailed"
    """The kernel refused a change; it is tried again."""
    RULES_ALTERED = "RulesAltered"
    """Another program has changed the rules in the kernel; they are put right."""
