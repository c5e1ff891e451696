"""`/healthz`, `/livez` and `/readyz`: what is checked, and how the outcome is told.

`?verbose` tells of each check, `?exclude=NAME` leaves one out, and a check has a path of its own, such as `/readyz/ping`.
Source: apiserver `server/healthz/healthz.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from moorage.api.exchange import Response, text

Check = Callable[[], str]
"""Gives what is wrong, or an empty string."""

PATHS = ("/healthz", "/livez", "/readyz")


class Health:
    """`checks` belong to all three; `/readyz` adds whether the server is about to end."""

    def __init__(self, checks: Mapping[str, Check], stopping: Callable[[], bool]) -> None:
        alive = {"ping": lambda: "", **checks}
        ready = {**alive, "shutdown": lambda: "the server is ending" if stopping() else ""}
        self._checks: Mapping[str, Mapping[str, Check]] = {"/healthz": alive, "/livez": alive, "/readyz": ready}

    def answer(self, path: str, query: Mapping[str, str]) -> Response | None:
        """None where the path is none of these."""
        for root, checks in self._checks.items():
            if path == root:
                return _told(root[1:], checks, query)
            if path.startswith(f"{root}/") and (check := checks.get(path[len(root) + 1 :])) is not None:
                wrong = check()
                return text(f"internal server error: {wrong}\n", 500) if wrong else text("ok")
        return None


def _told(root: str, checks: Mapping[str, Check], query: Mapping[str, str]) -> Response:
    excluded = query.get("exclude")
    lines, failed = [], False
    for name, check in checks.items():
        if name == excluded:
            lines.append(f"[+]{name} excluded: ok")
        elif wrong := check():
            failed = True
            lines.append(f"[-]{name} failed: {wrong}")
        else:
            lines.append(f"[+]{name} ok")
    if failed:
        return text("\n".join([*lines, f"{root} check failed", ""]), 500)
    return text("\n".join([*lines, f"{root} check passed", ""])) if "verbose" in query else text("ok")
