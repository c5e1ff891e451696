"""What is written is true: folders explain themselves, modules and public types say what they are, reasons are documented."""

from __future__ import annotations

import ast

import pytest

from moorage.model.reason import Reason
from tests.rules.source import FILES, ROOMS, ROOT, SOURCE, name, tree


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_every_room_has_a_readme(room: object) -> None:
    readme = SOURCE / str(room) / "README.md"
    assert readme.is_file()
    assert 5 <= len(readme.read_text().splitlines()) <= 80


def test_every_module_and_public_class_says_what_it_is() -> None:
    silent = []
    for path in FILES:
        module = tree(path)
        if module.body and not ast.get_docstring(module):
            silent.append(name(path))
    assert not silent


def documented_reasons() -> str:
    """The reference page, made from the enum: each member's word and the sentence below it."""
    members = next(
        node for node in tree(SOURCE / "model" / "reason.py").body if isinstance(node, ast.ClassDef) and node.name == "Reason"
    )
    lines = ["# Reasons", "", "Every decision carries one of these words, in logs, events, conditions and traces alike.", ""]
    lines += ["| reason | meaning |", "|---|---|"]
    for member, sentence in zip(members.body, members.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(sentence, ast.Expr) and isinstance(sentence.value, ast.Constant):
            word = str(member.value.value) if isinstance(member.value, ast.Constant) else ""
            lines.append(f"| `{word}` | {sentence.value.value!s} |")
    return "\n".join(lines) + "\n"


def test_every_reason_is_documented() -> None:
    page = documented_reasons()
    assert all(f"`{member.value}`" in page for member in Reason), "a member has no sentence below it"
    assert (ROOT / "docs" / "reference" / "reasons.md").read_text() == page, "run: python -m tests.rules.test_docs"


if __name__ == "__main__":
    (ROOT / "docs" / "reference" / "reasons.md").write_text(documented_reasons())
