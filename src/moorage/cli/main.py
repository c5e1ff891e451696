"""The `moorage` command. Exit status: 0 fine, 1 not fine, 2 used wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from moorage.cli import (
    bench,
    demo,
    drain,
    kubectl,
    manifests,
    migrate,
    pools,
    questions,
    roles,
    standalone,
    uninstall,
)
from moorage.cli.output import fail
from moorage.model.errors import ApiError, HostError, UserError

app = typer.Typer(
    help="Kubernetes Services, end to end: ClusterIP, NodePort and LoadBalancer on the Linux kernel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for part in (
    standalone,
    demo,
    kubectl,
    questions,
    pools,
    drain,
    manifests,
    migrate,
    uninstall,
    bench,
    roles,
):
    part.register(app)


EXPECTED = (UserError, ApiError, HostError)


def main() -> None:
    """Runs the command line; every expected error becomes one line."""
    try:
        app()
    except UserError as error:
        fail(str(error), 2)
    except (ApiError, HostError) as error:
        fail(str(error), 1)
    except BaseExceptionGroup as errors:
        _, unexpected = errors.split(EXPECTED)
        if unexpected is not None:
            raise
        fail("\n".join(dict.fromkeys(map(str, leaves(errors)))), 1)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, which may hold groups."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error
