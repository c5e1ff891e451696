"""docs/reference/api.md lists the kinds that are served, as discovery tells them.

`python -m tests.api.test_reference` writes that part of the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from moorage.api import discovery
from moorage.model.kinds import KINDS, Kind
from tests.rules.source import ROOT

PAGE = ROOT / "docs" / "reference" / "api.md"
START = "<!-- kinds: made by `python -m tests.api.test_reference` -->\n"
END = "<!-- end of kinds -->\n"


def documented_kinds() -> str:
    """The table of kinds, in the order of groups and plurals."""
    lines = ["| kind | apiVersion | resource | short | scope | verbs | subresources |", "|---|---|---|---|---|---|---|"]
    lines += [_row(kind) for kind in sorted(KINDS, key=lambda each: (each.group, each.plural))]
    return "\n".join(lines) + "\n"


def _row(kind: Kind) -> str:
    told = {each["name"]: each for each in _discovered(kind)}
    verbs = " ".join(told[kind.plural]["verbs"])
    below = [(name.split("/")[1], each["verbs"]) for name, each in sorted(told.items()) if name.startswith(f"{kind.plural}/")]
    subresources = ", ".join(f"{name} ({' '.join(verbs)})" for name, verbs in below)
    scope = "namespace" if kind.namespaced else "cluster"
    short = " ".join(kind.short_names)
    cells = [kind.kind, f"`{kind.api_version}`", kind.plural, short, scope, verbs, subresources]
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def _discovered(kind: Kind) -> Iterator[dict[str, Any]]:
    path = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    document = msgspec.json.decode(b"".join(discovery.documents()[path]("application/json").body))
    yield from document["resources"]


def with_kinds(page: str) -> str:
    before, rest = page.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{documented_kinds()}\n{END}{after}"


def test_every_kind_is_documented() -> None:
    page = PAGE.read_text()
    assert page == with_kinds(page), "run: python -m tests.api.test_reference"


if __name__ == "__main__":
    PAGE.write_text(with_kinds(PAGE.read_text()))
