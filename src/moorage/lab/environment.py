"""What a container's command is given: variables, expanded arguments, and the name files of its Pod.

Source: `core/v1` EnvVar and the downward API; `$(VAR)` as in kubelet's `third_party/forked/golang/expansion`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from moorage.lab.images import ECHO_IMAGE, base_name
from moorage.lab.launch import pod_hostname
from moorage.model.pods import Container, EnvVar, Pod

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class PodFacts(msgspec.Struct, frozen=True):
    """What the node knows of a Pod when it starts a container. `programs` is a folder that goes in front of PATH."""

    pod: Pod
    pod_ip: str
    host_ip: str
    programs: str = ""


def environment(facts: PodFacts, container: Container, more: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """All variables of a container, and what is wrong with those that cannot be given. `more` are the node's own."""
    path = f"{facts.programs}:{SYSTEM_PATH}" if facts.programs else SYSTEM_PATH
    variables = {"PATH": path, "HOME": "/root", "HOSTNAME": pod_hostname(facts.pod), **more}
    if base_name(container.image) == ECHO_IMAGE:
        meta = facts.pod.metadata
        variables |= {"POD_NAME": meta.name, "POD_NAMESPACE": meta.namespace, "NODE_NAME": facts.pod.spec.node_name}
    problems = []
    if container.env_from:
        problems.append("envFrom needs ConfigMaps or Secrets, which the lab does not have: use env with values")
    for each in container.env:
        value, problem = _value(facts, each, variables)
        if problem:
            problems.append(problem)
        elif value is not None:
            variables[each.name] = value
    return variables, problems


def _value(facts: PodFacts, variable: EnvVar, known: Mapping[str, str]) -> tuple[str | None, str]:
    """The value, None where it is optional and absent, or a problem."""
    source = variable.value_from
    if source is None:
        return expand(variable.value, known), ""
    if field := source.get("fieldRef"):
        path = str(field.get("fieldPath", ""))
        found = field_value(facts, path)
        return found, "" if found is not None else f"variable {variable.name}: the field {path!r} cannot be used in a variable"
    kind, reference = next(iter(source.items()), ("valueFrom", {}))
    if isinstance(reference, Mapping) and reference.get("optional") is True:
        return None, ""
    return None, f"variable {variable.name}: {kind} is not available in the lab: use a value or a fieldRef"


_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def field_value(facts: PodFacts, path: str) -> str | None:
    """The downward API: a field of the Pod as text, None where it is none of those that Kubernetes allows."""
    pod = facts.pod
    if match := _SUBSCRIPT.fullmatch(path):
        return (pod.metadata.labels if match[1] == "labels" else pod.metadata.annotations).get(match[2], "")
    return {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": facts.host_ip,
        "status.hostIPs": facts.host_ip,
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
    }.get(path)


_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the variable's value and stays as it is where there is none; `$$` is a dollar sign."""
    return _REFERENCE.sub(lambda found: "$" if found[1] is None else variables.get(found[1], found[0]), text)


def expanded(command: Sequence[str], variables: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(each, variables) for each in command)


def hosts_text(pod: Pod, address: str, cluster_domain: str) -> str:
    """/etc/hosts of a Pod: itself, and its `hostAliases`."""
    name = pod_hostname(pod)
    own = name
    if pod.spec.subdomain:
        own = f"{name}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}\t{name}"
    lines = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    lines.append(f"{address}\t{own}")
    lines += [f"{alias.get('ip', '')}\t{' '.join(alias.get('hostnames') or ())}" for alias in pod.spec.host_aliases]
    return "".join(f"{line}\n" for line in lines)
