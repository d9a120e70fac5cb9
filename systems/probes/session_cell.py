"""Run on a user's own server: what a notebook needs, each part tried by itself. Python 3.11, nothing of riskhub."""

import json
import os
import pathlib
from collections.abc import Callable

SHOWN = 200


def home(mark: str) -> str:
    """Write to the home and read back, through the file system: a home may be full, read-only or not mounted."""
    path = pathlib.Path.home() / ".riskhub-check"
    try:
        with path.open("w") as file:
            file.write(mark)
            file.flush()
            os.fsync(file.fileno())
        return path.read_text()
    finally:
        path.unlink(missing_ok=True)


def shared(names: list[str]) -> int:
    """List each folder that users share; how many entries they have."""
    beside = pathlib.Path(os.environ["PYTHONPATH"]).parent  # the libraries are one of them
    return sum(len(list((beside / name).iterdir())) for name in names)


def risk_api() -> int:
    """How many portfolios there are, asked for as the users' notebooks do, with the user's own token."""
    from risk_platform_client import RiskPlatformAPI  # type: ignore[import-not-found]  # noqa: PLC0415 - a shared library

    return len(RiskPlatformAPI(timeout=5).portfolios())


def attempt(look: Callable[[], object]) -> object:
    """What a look gives, or `{"failed": why}`."""
    try:
        return look()
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:SHOWN]}


def tell(mark: str, names: list[str]) -> None:
    """Print all three as one JSON object."""
    looks = {"home": lambda: home(mark), "shared": lambda: shared(names), "risk_api": risk_api}
    print(json.dumps({name: attempt(look) for name, look in looks.items()}))
