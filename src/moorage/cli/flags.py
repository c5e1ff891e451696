"""A settings type -> a command with a flag for each of its fields, and `--config FILE` beside them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer

from moorage.model.errors import UserError
from moorage.settings.fields import Field, fields, shown
from moorage.settings.roles import RoleSettings

S = TypeVar("S", bound=RoleSettings)

_CONFIG = Annotated[
    str, typer.Option("--config", help="file with settings (docs/reference/configuration.md); flags win over it")
]


def command(type_: type[S], run: Callable[[S], None]) -> Callable[..., None]:
    """What typer makes a command of. `run` gets the settings; its docstring is the command's help.

    Every flag is None where it was not given: only what a person said wins over the file.
    """

    def role(config: str = "", **given: Any) -> None:
        from moorage.settings.read import read_settings

        flags = {name: _listed(value) for name, value in given.items() if value is not None}
        run(read_settings(type_, flags, _text(config) if config else "", config))

    parameters = [inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default="", annotation=_CONFIG)]
    parameters += [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(each))
        for each in fields(type_)
    ]
    role.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    role.__annotations__ = {each.name: each.annotation for each in parameters}
    role.__name__, role.__doc__ = run.__name__, run.__doc__
    return role


def _option(field: Field) -> Any:
    bare = get_args(field.type)[0]
    about = field.about.rstrip(".")
    if about[1].islower():
        about = about[0].lower() + about[1:]
    if field.required or field.default not in ("", ()):
        about += " (required)" if field.required else f" (default: {shown(field.default)})"
    if bare is bool:
        flags = f"{field.flag}/--no-{field.flag.removeprefix('--')}"
        return Annotated[bool | None, typer.Option(flags, help=about)]
    if get_origin(bare) is tuple:
        return Annotated[list[str] | None, typer.Option(field.flag, help=about)]
    if get_origin(bare) is Literal:
        about = f"{', '.join(get_args(bare))}: {about}"
        bare = str
    return Annotated[bare | None, typer.Option(field.flag, help=about)]


def _listed(value: Any) -> Any:
    """The items of a flag that was repeated, each of which may have commas."""
    if isinstance(value, list):
        return tuple(item.strip() for each in value for item in each.split(",") if item.strip())
    return value


def _text(file: str) -> str:
    try:
        text = Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"--config {file}: cannot be read: {reason}") from error
    if not text.strip():
        raise UserError(f"--config {file}: is empty: it needs at least apiVersion and kind")
    return text
