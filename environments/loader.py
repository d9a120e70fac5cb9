"""Read an environment file into typed settings.

`${NAME}` in a value stands for the platform's environment variable NAME. In the file named by `values` the
embedded stack tells what ports and keys it chose; there it has the last word over the process environment,
so that a shell set up for another Hub never mixes two environments.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from domain.errors import Refused
from environments.settings import Environment, EnvironmentName

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parent

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


def state_folder() -> Path:
    """The ignored folder for the embedded stack's state: $RISKHUB_STATE, else `.riskhub` in the checkout."""
    return Path(os.environ.get("RISKHUB_STATE") or PROJECT / ".riskhub").absolute()


def load_environment(name: str, folder: Path = FOLDER) -> Environment:
    """The settings of environment `name`.

    Raises:
        Refused: there is no such environment, its file is malformed, or a variable it needs is not set.
            Values never appear in the message.
    """
    known = get_args(EnvironmentName)
    if name not in known:
        raise Refused(f"environment {name!r}", "there is no such environment", f"choose one of {', '.join(known)}")
    path = folder / f"{name}.toml"
    thing = f"environment {name!r} ({path.name})"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(thing, "its file is missing", f"create {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(thing, f"the file is not valid TOML: {error}", f"correct {path}") from None
    values_name = document.pop("values", None)
    values = _values(state_folder() / values_name) if values_name else {}
    document = _expand(document, {**os.environ, **values}, thing, stack=values_name is not None)
    try:
        return Environment.model_validate({"name": name, **document})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise Refused(thing, f"{where}: {first['msg']}", f"correct {where} in {path}") from None


def _values(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if "=" in line)
    return dict(line.split("=", 1) for line in lines)


def _expand(value: Any, variables: Mapping[str, str], thing: str, *, stack: bool) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, variables, thing, stack=stack) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, variables, thing, stack=stack) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        variable = match.group(1)
        if not variables.get(variable):
            hint = "start the embedded stack (riskhub stack up), or set it" if stack else "set it and run again"
            raise Refused(thing, f"variable {variable} is not set", hint)
        return variables[variable]

    return _VARIABLE.sub(replace, value)
