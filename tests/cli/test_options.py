"""Options from signatures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from pydantic import BaseModel

from cli.options import described, options_of
from domain.clock import UtcDatetime
from environments.culling import CullPolicy


def parsed(function: Any, *arguments: str, base: BaseModel | None = None) -> dict[str, Any]:
    options = options_of(function)
    context = click.Command("c", params=options.params).make_context("c", list(arguments))
    return options.arguments(context.params, lambda model: base)


def everything(  # noqa: PLR0917 - one of each kind
    name: str,
    kind: Literal["small", "large"] = "small",
    at: UtcDatetime | None = None,
    where: Path | None = None,
    count: int = 3,
    users: tuple[str, ...] = (),
    loud: bool = False,
    safe: bool = True,
) -> None:
    """Does it.

    Args:
        name: of whom,
            in full.
        kind: how big.
    """


def policed(policy: CullPolicy | None = None, execute: bool = False) -> None:
    """Does it."""


def test_every_plain_type_has_its_option() -> None:
    arguments = ("--name", "ana", "--kind", "large", "--at", "2026-03-01T09:00:00Z", "--where", "x/y", "--count", "4")
    given = parsed(everything, *arguments, "--users", "bea", "--users", "carl", "--loud", "--no-safe")
    assert given == {
        "name": "ana",
        "kind": "large",
        "at": datetime(2026, 3, 1, 9, tzinfo=UTC),
        "where": Path("x/y"),
        "count": 4,
        "users": ("bea", "carl"),
        "loud": True,
        "safe": False,
    }


def test_defaults_are_the_signatures() -> None:
    given = parsed(everything, "--name", "ana")
    assert (given["kind"], given["count"], given["loud"], given["safe"]) == ("small", 3, False, True)
    assert "at" not in given


@pytest.mark.parametrize("value", ["2026-03-01T09:00:00", "yesterday", "2026-03-01"])
def test_a_time_without_a_zone_is_not_guessed(value: str) -> None:
    with pytest.raises(click.BadParameter, match="with a zone"):
        parsed(everything, "--name", "ana", "--at", value)


def test_help_is_what_the_docstring_says_of_each() -> None:
    assert described(everything.__doc__ or "") == {}  # not cleaned: indented by the function's body
    helps = {param.name: param.help for param in options_of(everything).params if isinstance(param, click.Option)}
    assert (helps["name"], helps["kind"]) == ("of whom, in full.", "how big.")


def test_a_field_of_a_model_is_laid_over_the_environments_own() -> None:
    base = CullPolicy(exempt=("gita",), at_least=7)
    policy = parsed(policed, "--idle", "600", base=base)["policy"]
    assert policy == CullPolicy(idle=timedelta(seconds=600), exempt=("gita",), at_least=7)


def test_json_is_the_whole_model() -> None:
    policy = parsed(policed, "--policy", '{"idle": 60}', base=CullPolicy(exempt=("gita",)))["policy"]
    assert policy == CullPolicy(idle=timedelta(seconds=60))


def test_without_a_word_on_the_model_there_is_none() -> None:
    assert "policy" not in parsed(policed)


@pytest.mark.parametrize(
    "arguments", [("--policy", "{"), ("--policy", '{"idel": 1}'), ("--max-share", "2"), ("--idle", "-x")]
)
def test_a_model_that_is_not_valid_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        parsed(policed, *arguments)


def test_a_type_without_an_option_is_found_when_the_command_is_made() -> None:
    def odd(value: complex = 0j) -> None: ...

    with pytest.raises(TypeError, match="no option can be made"):
        options_of(odd)
