"""What a Pod asks for and the lab does not do: said in an event, because the Pod runs without it."""

from __future__ import annotations

from moorage.model.pods import Container, Pod


def unsupported(pod: Pod) -> str:
    """One sentence about all of it, empty where there is nothing to say."""
    parts = []
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    mounted = {str(mount.get("name", "")) for each in containers for mount in each.volume_mounts}
    if names := sorted(name for name in mounted if not name.startswith("kube-api-access-")):
        parts.append(f"volumes are not mounted: {', '.join(names)}")
    if hooked := sorted(each.name for each in containers if _other_hooks(each)):
        parts.append(f"lifecycle hooks other than preStop.sleep are not run: {', '.join(hooked)}")
    return f"the lab runs this Pod without some of what it asks for: {'; '.join(parts)}" if parts else ""


def _other_hooks(container: Container) -> bool:
    hooks = container.lifecycle or {}
    pre_stop = hooks.get("preStop") or {}
    return bool(hooks.get("postStart")) or any(kind != "sleep" for kind, action in pre_stop.items() if action is not None)
