"""Pure core, thin I/O shell: only `*_io.py` and `run/` (and `cli/`, which talks to a person) touch the world."""

from __future__ import annotations

import ast

from tests.rules.source import FILES, name, tree

WORLD = {
    "aiohttp", "asyncio", "http", "multiprocessing", "os", "pyroute2", "random", "secrets", "select", "selectors", "shutil",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uvicorn", "uvloop",
}  # fmt: skip

ALLOWED = {
    "api/app.py": {"asyncio"},  # an ASGI application is made of coroutines; it opens nothing
    "model/net.py": {"socket"},  # `inet_pton` is a function of its arguments; nothing is opened
    "client/fake.py": {"asyncio"},  # a watch waits, also in memory; it opens nothing
}


def _imports(module: ast.Module) -> set[str]:
    """Top-level packages that the module imports at run time (imports for type checkers do not count)."""
    found = set()
    typing_only = {
        id(inner)
        for node in ast.walk(module)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(module):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_waiting_with_a_limit_keeps_cancellation() -> None:
    """`asyncio.wait_for` of Python 3.11 returns the result and forgets a cancellation that arrives with it; `asyncio.timeout`
    does not.
    """
    guilty = [name(path) for path in FILES if "asyncio.wait_for" in path.read_text()]
    assert not guilty, "use `async with asyncio.timeout(...)`"


def test_only_the_shell_touches_the_world() -> None:
    guilty = {}
    for path in FILES:
        where = name(path)
        if path.stem.endswith("_io") or where.startswith(("run/", "cli/")) or path.name == "__main__.py":
            continue
        if touched := (_imports(tree(path)) & WORLD) - ALLOWED.get(where, set()):
            guilty[where] = sorted(touched)
    assert not guilty
