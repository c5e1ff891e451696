"""The words of `--kubeconfig-out`, and what the table of roles calls them."""

from __future__ import annotations

import pytest

from moorage.api.auth import ADMINS, CONTROLLERS, EDGES, NODES, User
from moorage.model.errors import UserError
from moorage.run.identities import certified, edge_identity, node_identity


@pytest.mark.parametrize(
    ("word", "user"),
    [
        ("admin", User("admin", (ADMINS,))),
        ("controller", User("moorage:controller", (CONTROLLERS,))),
        (node_identity("node-1"), User("system:node:node-1", (NODES,))),
        (edge_identity("east"), User("moorage:edge:east", (EDGES,))),
        ("reader", None),
        ("node", None),
    ],
)
def test_who_gets_a_certificate(word: str, user: User | None) -> None:
    assert certified(word) == user


@pytest.mark.parametrize("word", ["node:", "node:../x", "node:a/b", "node:A", "node:-a", f"node:{'a' * 53}"])
def test_what_no_node_is_called(word: str) -> None:
    with pytest.raises(UserError, match="names no node"):
        certified(word)


def test_the_longest_name_fits_into_a_certificate() -> None:
    user = certified(f"node:{'a' * 52}")
    assert user is not None
    assert len(user.name) == 64
