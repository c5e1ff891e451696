"""Small rooms: a file holds one idea, a function fits a screen. Exceptions are listed with a reason; a stale one fails."""

from __future__ import annotations

import ast

from tests.rules.source import FILES, name, tree

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 7

LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def test_a_file_holds_one_idea() -> None:
    long = {name(path) for path in FILES if len(path.read_text().splitlines()) > MAX_FILE_LINES}
    assert long == set(LONG_FILES)


def test_a_function_fits_a_screen() -> None:
    long = set()
    for path in FILES:
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES:
                long.add(f"{name(path)}:{node.name}")
    assert long == set(LONG_FUNCTIONS)


def test_parameters_can_be_counted_on_two_hands() -> None:
    many = []
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len([each for each in arguments if each.arg not in {"self", "cls"}]) > MAX_PARAMETERS:
                    many.append(f"{name(path)}:{node.name}")
    assert not [each for each in many if not each.startswith("cli/")], "make a settings type"
