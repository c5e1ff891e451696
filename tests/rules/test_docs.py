"""What is written is true: folders explain themselves, modules and public types say what they are, reasons are documented."""

from __future__ import annotations

import ast
import re
from pathlib import Path

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


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_every_test_and_story_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    tests = {tuple(each.split("::")) for each in re.findall(r"`(tests/[^` ]+?\.py(?:::\w+)?)`", text)}
    missing = [path for path, *_ in tests if not (ROOT / path).is_file()]
    missing += [f"{path}::{name[0]}" for path, *name in tests if name and f"def {name[0]}(" not in (ROOT / path).read_text()]
    for line in re.findall(r"stor(?:y|ies) (`[^|]+)", text):
        named = re.findall(r"`([a-z-]+)`", line)
        missing += [each for each in named if not (ROOT / "tests" / "stories" / f"{each}.yaml").is_file()]
    assert not missing


if __name__ == "__main__":
    (ROOT / "docs" / "reference" / "reasons.md").write_text(documented_reasons())
