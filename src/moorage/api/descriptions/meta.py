"""Notes on what every object has."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.meta import Condition, ManagedFieldsEntry, ObjectMeta, ObjectReference, OwnerReference
from moorage.model.wire import ApiType

NOTES: Mapping[type[ApiType], str] = {
    ObjectMeta: """
Identity, version, labels and owners of an object.
name: Unique among objects of the kind in the namespace; cannot be changed.
generateName: Beginning of a name that the server completes when `name` is empty.
namespace: Where the object lives; cannot be changed. Empty for kinds that belong to the whole cluster.
uid: Given by the server; differs for an object of the same name made later.
resourceVersion: Changes with each write. Sent back in an update, it makes the update fail if somebody else was faster.
generation: Counts the changes of what is wanted.
creationTimestamp: When the server made the object.
deletionTimestamp: When the object will be gone at the latest, once its deletion was asked for.
deletionGracePeriodSeconds: How long the object may take to go, once its deletion was asked for.
labels: Short values to select objects by.
annotations: Any further text, for tools and people; nothing is selected by it.
ownerReferences: Objects that this one depends on; when the last of them is gone, so is this.
finalizers: Who must clean up before the object may go; each removes itself when it is done.
managedFields: Which writer set which field.
""",
    OwnerReference: """
An object in the same namespace, or of the whole cluster, that another one depends on.
apiVersion!: Group and version of the owner.
kind!: Kind of the owner.
name!: Name of the owner.
uid!: UID of the owner: an object of the same name made later is not the owner.
controller: Whether the owner manages the object; at most one does.
blockOwnerDeletion: Whether a foreground deletion of the owner waits for this object.
""",
    ManagedFieldsEntry: """
The fields that one writer set in one way.
manager: Name of the writer.
operation: Apply, or Update for every other write.
apiVersion: Version in which the fields are named.
time: When the writer last changed its set of fields.
fieldsType: FieldsV1.
fieldsV1: The set of fields, as a tree of their names.
subresource: The subresource that was written, such as status.
""",
    Condition: """
One aspect of an object's state.
type: What is said, such as Ready.
status: True, False or Unknown.
observedGeneration: The generation of the object for which this holds.
lastHeartbeatTime: When this was last confirmed.
lastProbeTime: When this was last looked at.
lastTransitionTime: When the status last changed.
reason: Why, in one word for programs.
message: Why, in words for people.
""",
    ObjectReference: """
Another object.
apiVersion: Group and version of the object.
kind: Kind of the object.
namespace: Namespace of the object.
name: Name of the object.
uid: UID of the object.
resourceVersion: The version of the object that is meant.
fieldPath: A part of the object, such as spec.containers{web}.
""",
}
