"""Notes on Pods: what Services have to do with."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.pods import (
    Container,
    ContainerPort,
    ContainerStatus,
    EnvVar,
    ExecAction,
    HTTPGetAction,
    Pod,
    PodIP,
    PodSpec,
    PodStatus,
    Probe,
    TCPSocketAction,
)
from moorage.model.wire import ApiType

NOTES: Mapping[type[ApiType], str] = {
    Pod: "Containers that run on one node and share an address.",
    PodSpec: """
What runs in a Pod, and where.
containers!: What runs.
initContainers: What runs before, one after the other.
restartPolicy: Always (the default), OnFailure or Never.
terminationGracePeriodSeconds: Seconds between being asked to end and being ended.
activeDeadlineSeconds: Seconds after which the Pod is ended as failed.
dnsPolicy: Which name servers are asked.
dnsConfig: Further name servers, search domains and options.
nodeSelector: Labels that the node must have.
nodeName: The node; set by the scheduler unless it is set already.
hostNetwork: Whether the Pod has the node's addresses instead of its own.
hostname: Name of the Pod in its own eyes, and in DNS together with `subdomain`.
subdomain: Name of the headless Service under which the Pod is found in DNS.
setHostnameAsFQDN: Whether the Pod's own name is the full one.
serviceAccountName: As whom the Pod speaks to the API.
volumes: What containers may mount.
tolerations: Taints of nodes that do not keep this Pod away.
affinity: Which nodes and neighbours are preferred.
readinessGates: Conditions that must be true, besides ready containers, for the Pod to be ready.
hostAliases: Further lines of the Pod's hosts file.
schedulerName: Who chooses the node.
priority: Who goes first when there is not enough room for all.
""",
    Container: """
One program of a Pod.
name!: Name of the container, unique in the Pod.
image: What is run.
command: The program, in place of the image's own.
args: Its arguments, in place of the image's own.
workingDir: The directory in which it starts.
ports: Ports on which it listens. A name makes one usable as a Service's targetPort.
env: Environment variables.
envFrom: Sources of further environment variables.
resources: What it needs, and what it may use.
volumeMounts: Where volumes are seen.
livenessProbe: When it fails, the container is started again.
readinessProbe: While it fails, the Pod gets no traffic from Services.
startupProbe: Until it succeeds, the other probes wait.
lifecycle: What is done after the start and before the end.
imagePullPolicy: Always, IfNotPresent or Never.
restartPolicy: Always makes an init container run beside the others.
""",
    ContainerPort: """
A port on which a container listens.
name: What Services may call it.
hostPort: The same port at the node's address.
containerPort!: The number of the port.
protocol: TCP (the default), UDP or SCTP.
hostIP: The address of the node that is meant by `hostPort`.
""",
    EnvVar: """
An environment variable.
name!: Its name.
value: Its value.
valueFrom: Where its value comes from.
""",
    Probe: """
How somebody finds out whether a container is well.
httpGet: An HTTP request that must succeed.
tcpSocket: A connection that must be accepted.
exec: A command that must end with 0.
grpc: A gRPC health check that must succeed.
initialDelaySeconds: Seconds after the start before the first try.
timeoutSeconds: Seconds after which a try has failed; 1 unless said otherwise.
periodSeconds: Seconds between two tries; 10 unless said otherwise.
successThreshold: Successes in a row that make it well; 1 unless said otherwise.
failureThreshold: Failures in a row that make it unwell; 3 unless said otherwise.
""",
    HTTPGetAction: """
An HTTP request.
path: Path of the request.
port!: Number or name of the port.
host: Whom to ask; the Pod itself unless said otherwise.
scheme: HTTP (the default) or HTTPS.
httpHeaders: Further headers.
""",
    TCPSocketAction: """
A connection.
port!: Number or name of the port.
host: Whom to connect to; the Pod itself unless said otherwise.
""",
    ExecAction: """
A command in the container.
command: The command and its arguments; no shell is around it.
""",
    PodStatus: """
What is known of a Pod.
phase: Pending, Running, Succeeded, Failed or Unknown.
conditions: PodScheduled, Initialized, ContainersReady, Ready, and the readiness gates.
message: Why the Pod is as it is, in words for people.
reason: Why the Pod is as it is, in one word for programs.
hostIP: Address of the node.
hostIPs: Addresses of the node.
podIP: Address of the Pod.
podIPs: Addresses of the Pod, at most one of each family; the first is `podIP`.
startTime: When the node took the Pod.
initContainerStatuses: What is known of each init container.
containerStatuses: What is known of each container.
qosClass: Guaranteed, Burstable or BestEffort.
""",
    PodIP: """
One address.
ip!: The address.
""",
    ContainerStatus: """
What is known of a container.
name!: Name of the container.
state: Waiting, running or terminated, with details.
lastState: How it ended the last time.
ready: Whether its readiness probe succeeds.
restartCount: How often it was started again.
image: What is run.
imageID: What exactly is run.
containerID: What the runtime calls it.
started: Whether its startup probe succeeded.
""",
}
