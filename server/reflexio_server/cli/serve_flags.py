"""The flags of `reflexio serve`, made from the fields of `Settings`: one for each."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import typer
from annotated_types import Ge, Gt, Le
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from reflexio_server.settings import Settings

_KINDS: dict[Any, str] = {bool: "on or off", int: "integer", float: "number", Path: "path", SecretStr: "URL"}

_EMPTY = "must not be empty"


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
    least, most, above = _limit(field, Ge, "ge"), _limit(field, Le, "le"), _limit(field, Gt, "gt")
    if most is not None:
        limits = f"{least:g} to {most:g}"
    elif least is not None:
        limits = f"{least:g} or more"
    else:
        limits = f"more than {above:g}" if above is not None else ""
    return ", ".join(filter(None, (_KINDS.get(kind, "text"), limits)))


def problem_of(error: ValidationError) -> tuple[str, str]:
    """The first field of `Settings` that a value does not fit, and a sentence that says what does."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(problem["loc"][0])
    field = Settings.model_fields[name]
    if problem["type"] == "string_pattern_mismatch":
        return name, "must have small letters and underscores only"
    if problem["type"] in {"string_too_short", "path_type"}:
        return name, _EMPTY
    values = values_of(field)
    if get_origin(_kind(field)) is Literal:
        return name, f"must be one of {values}"
    article = "an" if values.startswith("i") else "a"
    return name, f"must be {values}" if _kind(field) is bool else f"must be {article} {values}"


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
    if empty := next((field for field, value in given.items() if value == ""), None):
        # As a path it would be the working folder.
        raise typer.BadParameter(_EMPTY, ctx=context, param_hint=flag_of(empty))
    try:
        return Settings(**given)
    except ValidationError as error:
        field, problem = problem_of(error)
        source = context.get_parameter_source(field)
        from_environment = source is not None and source.name == "ENVIRONMENT"
        hint = f"{flag_of(field)} (environment variable {variable_of(field)})" if from_environment else flag_of(field)
        raise typer.BadParameter(problem, ctx=context, param_hint=hint) from None


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


def _limit(field: FieldInfo, constraint: type[Ge | Gt | Le], bound: str) -> float | None:
    return next((getattr(found, bound) for found in field.metadata if isinstance(found, constraint)), None)


def _metavar(kind: Any) -> str:
    return "|".join(get_args(kind)) if get_origin(kind) is Literal else _KINDS.get(kind, "text").upper()
