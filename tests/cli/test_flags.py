"""Flags that are made from settings, and the file beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from moorage.cli.flags import command
from moorage.cli.roles import node_name
from moorage.model.errors import UserError
from moorage.settings.fields import fields
from moorage.settings.roles import ROLES, ControllerSettings, EdgeSettings, NodeSettings, RoleSettings

NODE = "apiVersion: moorage.dev/v1alpha1\nkind: NodeConfiguration\n"


def given(type_: type[RoleSettings], *arguments: str) -> RoleSettings:
    """What the role is told. Raises what the command raises."""
    told: list[RoleSettings] = []

    def run(settings: RoleSettings) -> None:
        """A role."""
        told.append(settings)

    result = _invoke(type_, run, arguments)
    if result.exception is not None:
        raise result.exception
    (settings,) = told
    return settings


def _invoke(type_: type[RoleSettings], run, arguments: Sequence[str]):  # type: ignore[no-untyped-def]
    app = typer.Typer()
    app.command()(command(type_, run))
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "300", "NO_COLOR": "1"})


def test_nothing_given_is_the_defaults() -> None:
    assert given(NodeSettings) == NodeSettings()
    assert given(ControllerSettings) == ControllerSettings()


def test_each_kind_of_flag() -> None:
    assert given(
        NodeSettings, "--name", "n", "--health-port", "1", "--no-localhost-nodeports", "--beside-other-proxy",
        "--cluster-cidr", "10.0.0.0/8,fd00::/8", "--cluster-cidr", "10.1.0.0/16", "--follow-nodes=own",
    ) == NodeSettings(
        name="n",
        health_port=1,
        localhost_node_ports=False,
        beside_other_proxy=True,
        cluster_cidrs=("10.0.0.0/8", "fd00::/8", "10.1.0.0/16"),
        follow_nodes="own",
    )  # fmt: skip
    assert given(EdgeSettings, "--interface", "lo", "--probe-interval", "1") == EdgeSettings(interface="lo", probe_interval=1.0)
    assert given(ControllerSettings, "--controllers=*,-scheduler") == ControllerSettings(controllers=("*", "-scheduler"))


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(NODE + "name: from-file\nlocalhostNodePorts: false\ndnsPort: 53\n")
    settings = given(NodeSettings, "--config", str(file), "--name", "from-flag", "--localhost-nodeports")
    assert settings == NodeSettings(name="from-flag", dns_port=53)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty: it needs at least apiVersion and kind"),
        (NODE + "nam: x", "line 3: nam: Forbidden: unknown field: did you mean"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=words):
        given(NodeSettings, "--config", str(file))


@pytest.mark.parametrize("type_", ROLES, ids=lambda each: each.KIND)
def test_help_has_every_flag_with_its_sentence(type_: type[RoleSettings]) -> None:
    text = _invoke(type_, lambda settings: None, ["--help"]).output
    for each in fields(type_):
        assert each.flag in text
        assert each.about.split()[-1].rstrip(".") in text


def test_a_nodes_name() -> None:
    assert node_name("mine", {"NODE_NAME": "pod"}, "Host") == "mine"
    assert node_name("", {"NODE_NAME": "pod"}, "Host") == "pod"
    assert node_name("", {}, "Host") == "host"
