"""The flags of `reflexio serve`, made from the fields of `Settings`: one for each."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import typer
from annotated_types import Ge, Le
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from reflexio_server.settings import Settings

_KINDS: dict[Any, str] = {bool: "on or off", int: "integer", float: "number", Path: "path", SecretStr: "URL"}


def flag_of(field: str) -> str:
    """The flag that sets a field of `Settings`."""
    return "--" + field.replace("_", "-")


def variable_of(field: str) -> str:
    """The environment variable that sets a field of `Settings`."""
    return f"{Settings.model_config['env_prefix']}{field}".upper()


def default_of(field: FieldInfo) -> str:
    """The default of a field of `Settings` as a person would type it; empty where there is none."""
    default = field.get_default(call_default_factory=True)
    if default is None:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def values_of(field: FieldInfo) -> str:
    """What a field of `Settings` takes, for people: `integer, 0 to 65535`."""
    kind = _kind(field)
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    least, most = _limit(field, Ge, "ge"), _limit(field, Le, "le")
    limits = f"{least:g} to {most:g}" if most is not None else f"{least:g} or more" if least is not None else ""
    return ", ".join(filter(None, (_KINDS.get(kind, "text"), limits)))


def signature() -> inspect.Signature:
    """What a function must look like for Typer to give it a context and a flag for each field of `Settings`."""
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return inspect.Signature([context, *_parameters()])


def settings_from(context: typer.Context, flags: Mapping[str, str | bool | None]) -> Settings:
    """The settings that flags, the environment and defaults give, in this order of precedence.

    Raises:
        typer.BadParameter: A value is none that its field takes; it names the flag, and the variable if it came from
            there.
    """
    given: dict[str, Any] = {field: value for field, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = str(problem["loc"][0])
        source = context.get_parameter_source(field)
        from_environment = source is not None and source.name == "ENVIRONMENT"
        hint = f"{flag_of(field)} (environment variable {variable_of(field)})" if from_environment else flag_of(field)
        raise typer.BadParameter(problem["msg"], ctx=context, param_hint=hint) from None


def _parameters() -> Iterator[inspect.Parameter]:
    for name, field in Settings.model_fields.items():
        flag = flag_of(name)
        kind = _kind(field)
        is_switch = kind is bool
        limits = values_of(field).partition(", ")[2] if kind in {int, float} else ""
        option = typer.Option(
            None,
            f"{flag}/--no-{flag.removeprefix('--')}" if is_switch else flag,
            help=f"{field.description} ({limits})" if limits else field.description,
            envvar=variable_of(name),
            metavar=None if is_switch else _metavar(kind),
            show_default=default_of(field) or False,
        )
        annotation = bool | None if is_switch else str | None
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=annotation)


def _kind(field: FieldInfo) -> Any:
    """The type of a field, without the `None` that is allowed beside it."""
    alternatives = get_args(field.annotation)
    return next(kind for kind in alternatives if kind is not NoneType) if NoneType in alternatives else field.annotation


def _limit(field: FieldInfo, constraint: type[Ge] | type[Le], bound: str) -> float | None:
    return next((getattr(found, bound) for found in field.metadata if isinstance(found, constraint)), None)


def _metavar(kind: Any) -> str:
    return "|".join(get_args(kind)) if get_origin(kind) is Literal else _KINDS.get(kind, "text").upper()
