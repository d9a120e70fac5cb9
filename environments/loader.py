"""Read an environment file into typed settings.

`${NAME}` in a value stands for the platform's environment variable NAME; `${NAME?}` as well, but where NAME is
not set the whole key is left out, as if the file did not have it. In the file named by `values` the embedded
stack (or the node) tells what ports and keys it chose. Where that file exists it has the last word over the
process environment, so that a shell set up for another Hub never mixes two environments.
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

_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(\??)\}")
_LEFT_OUT = object()


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
    hint = "start the embedded stack (riskhub stack up), or set it" if name == "local" else "set it and run again"
    document = _expand(document, {**os.environ, **values}, thing, hint)
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


def _expand(value: Any, variables: Mapping[str, str], thing: str, hint: str) -> Any:
    if isinstance(value, dict):
        expanded = {key: _expand(item, variables, thing, hint) for key, item in value.items()}
        return {key: item for key, item in expanded.items() if item is not _LEFT_OUT}
    if isinstance(value, list):
        return [item for each in value if (item := _expand(each, variables, thing, hint)) is not _LEFT_OUT]
    if not isinstance(value, str):
        return value
    absent = {(name, optional) for name, optional in _VARIABLE.findall(value) if not variables.get(name)}
    for name, optional in sorted(absent):
        if not optional:
            raise Refused(thing, f"variable {name} is not set", hint)
    return _LEFT_OUT if absent else _VARIABLE.sub(lambda match: variables[match.group(1)], value)
