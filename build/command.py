"""The command behind `build/build.py`: options, progress, answer, exit code."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import click

from build.base import make_base
from build.components import COMPONENTS, read_inputs
from build.engines import Credentials, Engine, EngineName, find_engine
from build.images import DEFAULT_BASE, build_image, export_image
from build.overlay import images_file, pin
from build.registry import find_credentials, push_image, require_committed
from build.steps import Tell
from domain.errors import Refused, RiskhubError
from environments.settings import EnvironmentName

_QUIET_SECONDS = 2.0
_TERMINAL_SECONDS = 1.0
_LOG_SECONDS = 15.0

HELP = """Build the platform's images with docker or buildah, from locked requirements.

What was built before from the very same inputs is left as it is. The tag is <commit>-<lock>: the commit that last
changed what goes into the image, and the digest of its lock.

\b
Examples:
  python build/build.py --component jupyterhub --environment dev
  python build/build.py --component jupyterhub --component proxy --output images
  python build/build.py --component runbook --environment prod --push \\
      --registry 123456789012.dkr.ecr.eu-west-2.amazonaws.com
  python build/build.py --component base            # Debian, root: a base where no registry can be had
  python build/build.py --component redis --base localhost/debian:bookworm

\b
Exit codes: 0 done, 1 refused or failed, 2 usage.
A login other than the engine's own: RISKHUB_REGISTRY_USER and RISKHUB_REGISTRY_PASSWORD; ECR's comes from AWS.
"""


class Registry(click.ParamType[str]):
    """`HOST[/PREFIX]`, as it begins an image's name."""

    name = "HOST[/PREFIX]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*", value):
            self.fail(f"{value!r} is no HOST[/PREFIX], as in registry.example.org/platform", param, ctx)
        return value


@click.command(help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--component",
    "components",
    type=click.Choice(["base", *COMPONENTS]),
    multiple=True,
    required=True,
    help="What to build; may be given more than once.",
)
@click.option(
    "--environment",
    type=click.Choice(get_args(EnvironmentName)),
    default="local",
    show_default=True,
    help="Whose overlay gets the digests of --push.",
)
@click.option("--base", default=DEFAULT_BASE, show_default=True, help="A Debian 12 image to build on.")
@click.option("--engine", type=click.Choice(get_args(EngineName)), help="Default: docker if it answers, else buildah.")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), help="Write <component>.tar into it.")
@click.option("--push", is_flag=True, help="Push, and write the digests into the environment's overlay.")
@click.option("--registry", type=Registry(), envvar="RISKHUB_REGISTRY", help="Where to push; or RISKHUB_REGISTRY.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def build(  # noqa: PLR0917 - click names them
    components: tuple[str, ...],
    environment: EnvironmentName,
    base: str,
    engine: EngineName | None,
    output: Path | None,
    push: bool,
    registry: str | None,
    as_json: bool,
) -> None:
    if push and not registry:
        raise click.UsageError("--push needs --registry HOST[/PREFIX] or RISKHUB_REGISTRY")
    if push and "base" in components:
        raise click.UsageError("--push: the base stays here; the images on it carry it")
    using = find_engine(engine)
    made = [
        _make_base(using)
        if component == "base"
        else _make(component, using, base, output, environment, registry if push else None)
        for component in dict.fromkeys(components)
    ]
    if as_json:
        click.echo(json.dumps({"state": "complete", "images": made}))
        return
    for told in made:
        click.echo(told.get("pushed") or told.get("archive") or told["reference"])


def _make_base(engine: Engine) -> dict[str, Any]:
    with _progress("base", "debootstrap") as tell:
        return {"component": "base", "reference": make_base(engine, tell=tell)}


def _make(  # noqa: PLR0917
    component: str, engine: Engine, base: str, output: Path | None, environment: EnvironmentName, registry: str | None
) -> dict[str, Any]:
    """Build, export when there is an `output`, push when there is a `registry`; what --json says of it."""
    credentials: Credentials | None = None
    if registry:
        require_committed(component, dirty=read_inputs(COMPONENTS[component]).dirty)
        credentials = find_credentials(registry)
    with _progress(component, "building") as tell:
        image = build_image(component, engine, base, tell=tell)
    told: dict[str, Any] = {**asdict(image), "reference": image.reference}
    if output:
        with _progress(component, "exporting") as tell:
            told["archive"] = str(export_image(image, engine, output, tell=tell))
    if registry:
        with _progress(component, "pushing") as tell:
            pushed = push_image(image, engine, registry, credentials, tell=tell)
        pin(images_file(environment), [pushed])
        told["pushed"] = f"{pushed.newName}@{pushed.digest}"
    return told


def main() -> None:
    """The entry point. Errors that are written for people end here, without a traceback."""
    try:
        build()
    except RiskhubError as error:
        state = "refused" if isinstance(error, Refused) else "failed"
        if "--json" in sys.argv:
            click.echo(json.dumps({"state": state, "problem": str(error)}))
        click.echo(f"build: {state}: {error.thing}: {error.cause}", err=True)
        click.echo(f"  Next: {error.next_step}", err=True)
        sys.exit(1)


@contextmanager
def _progress(component: str, doing: str) -> Iterator[Tell]:
    """Lines on stderr from the second second on: on a terminal one that changes, in a log one now and then."""
    began = time.monotonic()
    latest = ""
    done = threading.Event()
    terminal = sys.stderr.isatty()

    def tell(line: str) -> None:
        nonlocal latest
        latest = line

    def show() -> None:
        pause = _QUIET_SECONDS
        while not done.wait(pause):
            pause = _TERMINAL_SECONDS if terminal else _LOG_SECONDS
            line = f"{component}: {doing}, {time.monotonic() - began:.0f} s: {latest}"
            click.echo(f"\r{line[:79].ljust(79)}" if terminal else line, nl=not terminal, err=True)

    watcher = threading.Thread(target=show, daemon=True)
    watcher.start()
    try:
        yield tell
    finally:
        done.set()
        watcher.join()
    seconds = time.monotonic() - began
    if seconds > _QUIET_SECONDS:
        line = f"{component}: {doing} took {seconds:.0f} s"
        click.echo(f"\r{line.ljust(79)}" if terminal else line, err=True)
