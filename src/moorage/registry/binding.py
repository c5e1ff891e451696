"""`pods/NAME/binding`: a scheduler gives a Pod its node. Source: `pkg/registry/core/pod/storage/storage.go`."""

from __future__ import annotations

import msgspec

from moorage.manifest.convert import load
from moorage.model.clock import timestamp
from moorage.model.errors import FieldError, bad_request, conflict, not_supported, required, unprocessable
from moorage.model.kinds import PODS
from moorage.model.meta import Condition, Key
from moorage.model.pods import Binding, Pod
from moorage.model.ports import Outcome
from moorage.model.wire import Tree
from moorage.registry.refusals import check_preconditions, missing
from moorage.registry.transaction import Transaction


def read_binding(tree: Tree, name: str) -> Binding:
    """Raises ApiError 400 for a wrong type, 422 where no node is named."""
    try:
        binding = msgspec.convert({key: value for key, value in tree.items() if value is not None}, Binding)
    except msgspec.ValidationError as error:
        raise bad_request(f'Binding in version "v1" cannot be handled as a Binding: json: {error}') from error
    errors: list[FieldError] = []
    if binding.target.get("kind") not in (None, "", "Node"):
        errors.append(not_supported("target.kind", binding.target["kind"], ("Node", "<empty>")))
    if not isinstance(binding.target.get("name"), str) or not binding.target["name"]:
        errors.append(required("target.name"))
    if errors:
        raise unprocessable("Binding", "", name, errors)
    return binding


def bind(transaction: Transaction, key: Key, binding: Binding) -> Outcome:
    """Sets the node and the condition PodScheduled. Raises ApiError 409 where the Pod has a node or is going away."""
    record = transaction.view.get(PODS.resource, key)
    pod = load(PODS, record.body) if record else None
    if not isinstance(pod, Pod):
        raise missing(PODS, key)
    check_preconditions(PODS, pod.metadata, binding.metadata.uid, "")
    if pod.metadata.deletion_timestamp is not None:
        raise _refused(key, f"pod {key.name} is being deleted, cannot be assigned to a host")
    if pod.spec.node_name:
        raise _refused(key, f'pod {key.name} is already assigned to node "{pod.spec.node_name}"')
    now = timestamp(transaction.now)
    scheduled = Condition(type="PodScheduled", status="True", last_transition_time=now)
    others = tuple(each for each in pod.status.conditions if each.type != "PodScheduled")
    annotations = {**pod.metadata.annotations, **binding.metadata.annotations}
    bound = msgspec.structs.replace(
        pod,
        metadata=msgspec.structs.replace(pod.metadata, annotations=annotations),
        spec=msgspec.structs.replace(pod.spec, node_name=binding.target["name"]),
        status=msgspec.structs.replace(pod.status, conditions=(*others, scheduled)),
    )
    return Outcome(transaction.put(PODS, bound), created=True)


def _refused(key: Key, why: str) -> Exception:
    return conflict("pods/binding", "", key.name, why)
