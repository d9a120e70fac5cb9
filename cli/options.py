"""Command-line options from a function's signature: the same parameters, types, defaults and help everywhere.

A parameter that is a pydantic model becomes an option for each of its simple fields (`--idle 600`) beside
`--<parameter> JSON` for the whole. Fields that are not given keep the environment's own values.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeGuard, Union, get_args, get_origin

import click
from pydantic import AwareDatetime, BaseModel, ValidationError

from domain.clock import to_utc

_EXECUTE = "Do it. Without this the plan is shown and nothing is changed."
_PLAIN: dict[Any, Any] = {str: str, int: int, float: float}


class Moment(click.ParamType[datetime]):
    """A time with its zone, ISO 8601; UTC inside."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return to_utc(datetime.fromisoformat(value))
        except ValueError:
            self.fail(f"{value!r} is not a time with a zone; write it as 2026-03-01T09:00:00Z", param, ctx)


class Day(click.ParamType[date]):
    """A calendar day, ISO 8601."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day; write it as 2026-03-01", param, ctx)


class Duration(click.ParamType[timedelta]):
    """Seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return timedelta(seconds=float(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)


@dataclass(frozen=True)
class Options:
    """The click options of a function, and the way back from what was typed to its arguments."""

    params: list[click.Parameter]
    models: Mapping[str, tuple[type[BaseModel], Mapping[str, str]]]

    def arguments(
        self, typed: Mapping[str, Any], base: Callable[[type[BaseModel]], BaseModel | None]
    ) -> dict[str, Any]:
        """The function's arguments. `base` gives the model that typed fields are laid over.

        Raises:
            click.UsageError: a model's values are not valid, or both JSON and fields were given.
        """
        fields = {option for _, names in self.models.values() for option in names}
        arguments = {name: value for name, value in typed.items() if name not in fields and value is not None}
        for parameter, (model, names) in self.models.items():
            given = {field: typed[option] for option, field in names.items() if typed[option] not in (None, ())}
            document = arguments.pop(parameter, None)
            if document is not None and given:
                raise click.UsageError(f"--{_dashed(parameter)} is the whole; give it or its parts, not both")
            if document is not None or given:
                arguments[parameter] = _model(model, document, given, base)
        return arguments


def options_of(function: Callable[..., Any], *, skip: tuple[str, ...] = ()) -> Options:
    """The options for `function`'s parameters except `skip`, with help from its docstring's `Args:`."""
    told = {"execute": _EXECUTE, **described(inspect.getdoc(function) or "")}
    params: list[click.Parameter] = []
    models: dict[str, tuple[type[BaseModel], Mapping[str, str]]] = {}
    signature = inspect.signature(function, eval_str=True)
    for name, parameter in signature.parameters.items():
        if name in skip:
            continue
        kind = _bare(parameter.annotation)
        if _is_model(kind):
            params.append(_option(name, str, None, told.get(name, "All of its parts as JSON."), metavar="JSON"))
            parts = described(inspect.getdoc(kind) or "")
            names = {}
            for field, info in kind.model_fields.items():
                option = field if field not in signature.parameters else f"{name}_{field}"
                made = _typed_option(option, info.annotation, None, parts.get(field, ""))
                if made is not None:
                    params.append(made)
                    names[option] = field
            models[name] = (kind, names)
            continue
        required = parameter.default is inspect.Parameter.empty
        made = _typed_option(name, kind, None if required else parameter.default, told.get(name, ""), required=required)
        if made is None:
            raise TypeError(f"parameter {name!r}: no option can be made for {parameter.annotation!r}")
        params.append(made)
    return Options(params, models)


def described(docstring: str) -> dict[str, str]:
    """Names and descriptions of a Google docstring's `Args:` or `Attributes:` section."""
    section = re.search(r"^(?:Args|Attributes):\n((?:[ \t]+.*\n?|\n)*)", docstring, re.MULTILINE)
    entries = re.split(r"^ {4}(\w+)(?: \([^)]*\))?: ", section.group(1) if section else "", flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(entries[::2], entries[1::2], strict=True)}


def _typed_option(
    name: str, annotation: Any, default: Any, text: str, *, required: bool = False
) -> click.Option | None:
    kind = _bare(annotation)
    if kind is bool:
        flag = f"--{_dashed(name)}/--no-{_dashed(name)}" if default else f"--{_dashed(name)}"
        return click.Option([flag], is_flag=True, default=bool(default), help=text)
    if get_origin(kind) in (tuple, list):
        inner = _click_type(_bare(get_args(kind)[0]))
        return None if inner is None else _option(name, inner, None, f"{text} May be repeated.".strip(), multiple=True)
    found = _click_type(kind)
    return None if found is None else _option(name, found, default, text, required=required)


def _click_type(kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return click.Choice([str(choice) for choice in get_args(kind)])
    if kind in (datetime, AwareDatetime):
        return Moment()
    if kind is date:
        return Day()
    if kind is timedelta:
        return Duration()
    if isinstance(kind, type) and issubclass(kind, Path):
        return click.Path(path_type=Path)
    return _PLAIN.get(kind)


def _option(name: str, kind: Any, default: Any, text: str, **more: Any) -> click.Option:
    shown = {"show_default": True, "default": default} if default is not None else {}
    return click.Option([f"--{_dashed(name)}", name], type=kind, help=text, **shown, **more)


def _model(
    model: type[BaseModel],
    document: str | None,
    given: Mapping[str, Any],
    base: Callable[[type[BaseModel]], BaseModel | None],
) -> BaseModel:
    try:
        if document is not None:
            return model.model_validate_json(document)
        under = base(model)
        return model.model_validate({**(under.model_dump() if under else {}), **given})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or model.__name__
        raise click.UsageError(f"{where}: {first['msg']}") from None


def _bare(annotation: Any) -> Any:
    """The type without `Annotated`, `| None` and defaults of its spelling."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return _bare(kinds[0]) if len(kinds) == 1 else annotation
    return annotation


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
