"""RFC 6902 JSON Patch: a list of operations on a JSON document. Pointers are RFC 6901."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from moorage.model.errors import ApiError, bad_request
from moorage.model.wire import Tree

MAX_OPERATIONS = 10_000
"""As kube-apiserver bounds them; one more is refused with 413."""

MAX_COPIED_BYTES = 3 * 1024 * 1024
"""What all `copy` operations of one patch may duplicate together: repeated copies double a document each time."""

_MISSING: Any = object()


class Operation(msgspec.Struct, frozen=True):
    """One step. `value` is absent where the operation has none."""

    op: str
    path: str
    from_: str | None = msgspec.field(default=None, name="from")
    value: Any = _MISSING


def parse_json_patch(body: bytes) -> Sequence[Operation]:
    """Raises ApiError 400 where the body is no patch, 413 where it has too many operations."""
    try:
        operations = msgspec.json.decode(body, type=list[Operation])
    except (msgspec.DecodeError, RecursionError) as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if len(operations) > MAX_OPERATIONS:
        found = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {found}")
    for operation in operations:
        if operation.op not in _OPERATIONS:
            raise bad_request(f"error decoding patch: unexpected kind of operation: {operation.op}")
        for pointer in (operation.path, operation.from_):
            if pointer and not pointer.startswith("/"):
                raise bad_request(f'error decoding patch: a JSON pointer starts with "/": {pointer}')
        if operation.op in {"move", "copy"} and operation.from_ is None:
            raise bad_request(f'error decoding patch: {operation.op} needs "from"')
        if operation.op in {"add", "replace", "test"} and operation.value is _MISSING:
            raise bad_request(f'error decoding patch: {operation.op} needs "value"')
    return operations


def apply_json_patch(document: Tree, operations: Sequence[Operation]) -> Tree:
    """The patched document; the given one stays as it is. Raises ApiError 422 where an operation does not apply."""
    state = _Document(copied(document))
    try:
        for operation in operations:
            _OPERATIONS[operation.op](state, operation)
    except RecursionError as error:
        raise _refused("the document nests too deeply") from error
    if not isinstance(state.root, dict):
        raise _refused("the patch leaves no object")
    return state.root


def copied(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [copied(each) for each in value]
    return value


class _Document:
    """The document while a patch runs over it."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.copied_bytes = 0

    def parent(self, pointer: str, op: str) -> tuple[Any, str]:
        """The container that holds the pointer's target, and the last token."""
        *way, last = _tokens(pointer)
        here = self.root
        for token in way:
            here = _child(here, token, pointer, op)
        return here, last

    def get(self, pointer: str, op: str) -> Any:
        here = self.root
        for token in _tokens(pointer):
            here = _child(here, token, pointer, op)
        return here

    def add(self, pointer: str, value: Any, op: str) -> None:
        if not pointer:
            self.root = value
            return
        parent, last = self.parent(pointer, op)
        if isinstance(parent, dict):
            parent[last] = value
        elif isinstance(parent, list):
            parent.insert(len(parent) if last == "-" else _index(last, len(parent), pointer, op), value)
        else:
            raise _missing(pointer, op)

    def remove(self, pointer: str, op: str) -> Any:
        if not pointer:
            raise _refused(f"{op} operation does not apply: the whole document cannot be removed")
        parent, last = self.parent(pointer, op)
        value = _child(parent, last, pointer, op)
        del parent[last if isinstance(parent, dict) else int(last)]
        return value


def _add(document: _Document, operation: Operation) -> None:
    document.add(operation.path, copied(operation.value), "add")


def _remove(document: _Document, operation: Operation) -> None:
    document.remove(operation.path, "remove")


def _replace(document: _Document, operation: Operation) -> None:
    if not operation.path:
        document.root = copied(operation.value)
        return
    parent, last = document.parent(operation.path, "replace")
    _child(parent, last, operation.path, "replace")
    parent[last if isinstance(parent, dict) else int(last)] = copied(operation.value)


def _move(document: _Document, operation: Operation) -> None:
    source = operation.from_ or ""
    if operation.path.startswith(source + "/"):
        raise _refused("move operation does not apply: a value cannot be moved into itself")
    document.add(operation.path, document.remove(source, "move"), "move")


def _copy(document: _Document, operation: Operation) -> None:
    value = document.get(operation.from_ or "", "copy")
    document.copied_bytes += len(msgspec.json.encode(value))
    if document.copied_bytes > MAX_COPIED_BYTES:
        raise _refused(f"copy operation does not apply: more than {MAX_COPIED_BYTES} bytes would be copied")
    document.add(operation.path, copied(value), "copy")


def _test(document: _Document, operation: Operation) -> None:
    if not _equal(document.get(operation.path, "test"), operation.value):
        raise _refused(f"testing value {operation.path} failed: test failed")


_OPERATIONS: dict[str, Callable[[_Document, Operation], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _child(parent: Any, token: str, pointer: str, op: str) -> Any:
    if isinstance(parent, dict) and token in parent:
        return parent[token]
    if isinstance(parent, list):
        return parent[_index(token, len(parent) - 1, pointer, op)]
    raise _missing(pointer, op)


def _index(token: str, last: int, pointer: str, op: str) -> int:
    """An array index without sign and leading zeros, up to `last` (RFC 6901 section 4)."""
    if not (token.isascii() and token.isdecimal()) or (len(token) > 1 and token[0] == "0") or int(token) > last:
        raise _missing(pointer, op)
    return int(token)


def _equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: unlike Python's, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return bool(left == right)


def _missing(pointer: str, op: str) -> ApiError:
    return _refused(f"{op} operation does not apply: doc is missing path: {pointer}: missing value")


def _refused(message: str) -> ApiError:
    """Upstream's message says no more; the cause, which kubectl prints, says what did not apply."""
    causes = [{"reason": "UnexpectedServerResponse", "message": message}]
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {"causes": causes})
