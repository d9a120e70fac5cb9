"""`riskhub cluster`: a real one-node Kubernetes on this machine up, down, and how it is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from cli.stack import bring_up, remove_state, take_down
from environments.loader import state_folder


@click.group("cluster")
def cluster() -> None:
    """A real one-node Kubernetes on this machine, and the services around it. Needs Linux and root."""


@cluster.command()
def up() -> None:
    """Build what is not built yet, and bring the node up. Twice is harmless.

    \b
    Examples:
      riskhub cluster up
      riskhub deploy hub --environment dev --execute   # then, the Hub on it
    """
    began = time.monotonic()
    bring_up(_state(), kind="cluster")
    click.echo(f"up after {time.monotonic() - began:.0f} s. Addresses and keys: {_state() / 'dev.env'}", err=True)


@cluster.command()
@click.option("--wipe", is_flag=True, help="Remove its state too: etcd, homes, bucket, database, keys.")
def down(wipe: bool) -> None:
    """Pull the node's plug and stop the services. The state stays unless --wipe; images always do."""
    take_down(_state(), kind="cluster")
    if wipe:
        remove_state(_state(), kind="cluster")
    click.echo("down" + (", state removed" if wipe else ""), err=True)


@cluster.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def status(as_json: bool) -> None:
    """Phase, and the seconds each part took to get ready."""
    from devstack.supervisor import read_status  # noqa: PLC0415

    told = read_status(_state())
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(told["phase"])
    for name, seconds in told["parts"].items():
        click.echo(f"  {name:18} ready after {seconds:5.1f} s")


def _state() -> Path:
    return state_folder() / "cluster"
