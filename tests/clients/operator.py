"""A kopf operator that watches Services: each gets a note in its status, a label, and keeps a finalizer until it is let go."""

from __future__ import annotations

from typing import Any

import kopf


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.peering.standalone = True
    settings.persistence.finalizer = "operator.example.com/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="operator.example.com")
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix="operator.example.com")


@kopf.on.create("services", labels={"operator": "wanted"})
def created(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.labels["noticed"] = "created"
    condition = {
        "type": "Noticed",
        "status": "True",
        "reason": "Created",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    patch.status["conditions"] = [condition]
    kopf.info(body, reason="Noticed", message="created")


@kopf.on.update("services", labels={"operator": "wanted"}, field="spec.type")
def updated(old: Any, new: Any, body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.labels["noticed"] = f"{old}-{new}"
    kopf.info(body, reason="Noticed", message=f"from {old} to {new}")


@kopf.on.delete("services", labels={"operator": "wanted"})
def deleted(body: kopf.Body, **_: Any) -> None:
    kopf.info(body, reason="Noticed", message="deleted")
