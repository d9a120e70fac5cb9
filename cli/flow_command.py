"""One sub-command a flow, made from the flow's own signature, so that both always offer the same."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, get_args

import click
from pydantic import BaseModel

from cli.answer import answer
from cli.options import Options, options_of
from cli.prefect_session import Session, prefect_session
from domain.record import Record
from environments import Environment, EnvironmentName, load_environment

if TYPE_CHECKING:
    from prefect import Flow

ENVIRONMENT_VARIABLE = "RISKHUB_ENVIRONMENT"


def environment_option(default: str | None = "local") -> click.Option:
    """`--environment`; without it $RISKHUB_ENVIRONMENT, else `default`."""
    return click.Option(
        ["--environment"],
        type=click.Choice(get_args(EnvironmentName)),
        default=default,
        envvar=ENVIRONMENT_VARIABLE,
        show_default=default is not None,
        show_envvar=True,
        help="Where to act.",
    )


def json_option() -> click.Option:
    """`--json`, the same everywhere."""
    return click.Option(["--json", "as_json"], is_flag=True, help="One JSON object on stdout; logs on stderr.")


def verbose_option() -> click.Option:
    """`--verbose`, the same everywhere."""
    return click.Option(["--verbose"], is_flag=True, help="The run's log on stderr.")


class FlowCommand(click.Command):
    """`riskhub <path>`: runs a flow here and now, in the environment's Prefect where it answers, else without.

    The flow's module imports Prefect, which reads its settings as it is imported. So the environment is read
    from the arguments first, then Prefect's settings are put in place, and only then the options are made.
    """

    def __init__(self, target: str, name: str, path: str) -> None:
        super().__init__(name)
        self.target = target
        self.path = path

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if {"-h", "--help"} & set(args) or parent is None:
            return self._made(None).make_context(info_name, args, parent, **extra)
        first = click.Command(self.name, params=[environment_option(), verbose_option()], add_help_option=False)
        first.ignore_unknown_options, first.allow_extra_args = True, True
        chosen = first.make_context(info_name, list(args), parent).params
        environment = load_environment(chosen["environment"])
        session = parent.with_resource(prefect_session(environment.prefect.api_url, verbose=chosen["verbose"]))
        return self._made((environment, session)).make_context(info_name, args, parent, **extra)

    def _made(self, prepared: tuple[Environment, Session] | None) -> click.Command:
        flow = load_flow(self.target)
        options = options_of(flow.fn, skip=("environment",))

        def run(environment: EnvironmentName, as_json: bool, verbose: bool, **typed: Any) -> None:
            if prepared is None:
                raise RuntimeError("only the help is made without an environment")
            settings, session = prepared
            arguments = options.arguments(typed, settings_of(settings))
            record = session.run(flow, {"environment": settings.name, **arguments})
            click.get_current_context().exit(answer(record, as_json=as_json))

        docstring = inspect.getdoc(flow.fn) or ""
        return command(self.path, docstring, options, run, environment_option())


def load_flow(target: str) -> Flow[..., Record]:
    """The flow that `module:name` names; imports Prefect."""
    module, _, name = target.partition(":")
    flow: Flow[..., Record] = getattr(importlib.import_module(module), name)
    return flow


def command(
    path: str, docstring: str, options: Options, run: Callable[..., None], environment: click.Option
) -> click.Command:
    """A click command with `options`, the three common ones, help and examples."""
    params: list[click.Parameter] = [environment, *options.params, json_option(), verbose_option()]
    return click.Command(
        path.rsplit(maxsplit=1)[-1], params=params, callback=run, help=_help(docstring), epilog=_examples(path, options)
    )


def settings_of(environment: Environment) -> Callable[[type[BaseModel]], BaseModel | None]:
    """The environment's own settings of a type, e.g. its `CullPolicy`; none where it has no such section."""

    def find(model: type[BaseModel]) -> BaseModel | None:
        return next((section for _, section in environment if type(section) is model), None)

    return find


def plain_command(
    path: str, callback: Callable[..., None], examples: Sequence[str], *params: click.Parameter
) -> click.Command:
    """A command that is no flow, e.g. `recovery show`: the callback's docstring is its page.

    Args:
        examples: the arguments of each.
    """
    lines = "\n".join(f"  riskhub {path} {example}".rstrip() for example in examples)
    return click.Command(
        path.rpartition(" ")[2],
        params=[*params, environment_option(), json_option()],
        callback=callback,
        help=callback.__doc__,
        epilog=f"\b\nExamples:\n{lines}",
    )


def _help(docstring: str) -> str:
    """The docstring without its sections for programmers, paragraphs and lines kept."""
    text = re.split(r"^(?:Args|Raises|Returns):$", docstring, flags=re.MULTILINE)[0].strip()
    return "\n\n".join(f"\b\n{paragraph}" for paragraph in text.split("\n\n"))


def _examples(path: str, options: Options) -> str:
    needed = "".join(
        f" {param.opts[0]} {(param.metavar or param.name or '').upper()}" for param in options.params if param.required
    )
    lines = [f"  riskhub {path}{needed}", f"  riskhub {path}{needed} --environment prod --json"]
    if any(param.name == "execute" for param in options.params):
        confirmed = " --confirm local" if any(param.name == "confirm" for param in options.params) else ""
        lines[0] += f"{'':{len(confirmed)}}             # shows the plan"
        lines.insert(1, f"  riskhub {path}{needed} --execute{confirmed}   # does it")
    return "\b\nExamples:\n" + "\n".join(lines)
