"""The `riskhub` command: groups and verbs, each loaded only when it is called.

Prefect costs seconds to import. `riskhub --version`, `riskhub mirror` and the culling with nothing but a token
do without it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NoReturn

import click

from cli.answer import print_error
from domain.errors import RiskhubError

Target = str | Mapping[str, str]

# A verb names a click command or a flow as "module:name"; a flow's command is made from its signature.
COMMANDS: dict[str, Target] = {
    "health": {
        "check": "flows.health:daily_health_check",
        "pulse": "flows.health:health_pulse",
        "logs": "flows.logs:watch_logs",
    },
    "alerts": {"list": "cli.alerts:list_command", "watch": "cli.alerts:watch"},
    "diagnose": {
        "authentication": "flows.diagnose:diagnose_authentication",
        "resources": "flows.diagnose:diagnose_resources",
        "storage": "flows.diagnose:diagnose_storage",
        "network": "flows.diagnose:diagnose_network",
    },
    "sessions": {
        "list": "cli.sessions:list_sessions",
        "cull": "cli.sessions:cull",
        "reconcile": "flows.sessions:reconcile_sessions",
        "announce": "flows.announcements:announce_maintenance",
        "withdraw": "flows.announcements:withdraw_announcement",
        "sample": "flows.utilisation:sample_utilisation",
        "utilisation": "cli.utilisation:utilisation",
    },
    "backup": {
        "run": "flows.backup:daily_backup",
        "homes": "flows.mirror:mirror_homes",
        "shared": "flows.mirror:mirror_shared",
    },
    "restore": {
        "home": "flows.restore:restore_user_home",
        "homes": "flows.recover:restore_homes",
        "shared": "flows.recover:restore_shared",
        "snapshot-home": "flows.restore:restore_home_from_snapshot",
        "configuration": "flows.restore:restore_configuration",
        "database": "flows.restore:restore_hub_database",
    },
    "recover": {"environment": "flows.recover:recover_environment"},
    "recovery": {
        "status": "cli.recovery:status",
        "list": "cli.recovery:list_command",
        "show": "cli.recovery:show",
        "verify": "cli.recovery:verify",
        "drill": "flows.drill:recovery_drill",
        "scorecard": "cli.recovery:scorecard",
        "prune": "flows.retention:apply_recovery_retention",
    },
    "evidence": {"verify": "cli.evidence:verify", "key": "cli.evidence:key"},
    "people": {"leaver": "flows.people:leaver", "stale-homes": "flows.people:archive_stale_homes"},
    "deploy": {"hub": "flows.deploy:deploy_hub", "flows": "cli.registration:flows"},
    "reports": {"run": "flows.reports:run_report", "execute": "cli.reports:execute"},
    "mirror": "cli.mirror:mirror",
    "stack": "cli.stack:stack",
    "cluster": "cli.cluster:cluster",
    "day": "cli.day:day",
}

HELP = {
    "health": "Look whether everything works.",
    "alerts": "What people are told of, and whether anybody looks.",
    "diagnose": "Answer why something, or somebody, does not work.",
    "sessions": "Users' notebook servers: see them, stop the idle ones, mend what is astray, tell what they use.",
    "backup": "Recovery points of homes, database and configuration.",
    "restore": "Bring back what was lost or altered.",
    "recover": "Bring back all of it.",
    "recovery": "Recovery points, and the proof that everything comes back.",
    "evidence": "What runs left behind, signed.",
    "people": "See people out, and archive homes that nobody uses.",
    "deploy": "Bring the cluster, and Prefect's schedules, to what Git says.",
    "reports": "Market-risk reports.",
    "mirror": "Copies of a folder in a bucket, without Prefect: push, restore, verify, history.",
    "stack": "The embedded stack: up, down, status.",
    "cluster": "A real one-node Kubernetes on this machine: up, down, status.",
    "day": "A day of operations on the embedded stack.",
    "health check": "Check every part from the outside in.",
    "health pulse": "Check in seconds what breaks from one minute to the next.",
    "alerts list": "What fires, since when, how urgent it is, and its page.",
    "alerts watch": "Alert when nobody looks: the dead man's switch.",
    "health logs": "Count what the logs tell of trouble since the last time.",
    "diagnose authentication": "Why somebody cannot log in, or a token is refused.",
    "diagnose resources": "Why a server does not start, or was ended.",
    "diagnose storage": "Why somebody cannot save, or misses files.",
    "diagnose network": "Why a page does not load, or something does not answer.",
    "sessions list": "The servers that run now.",
    "sessions cull": "Stop notebook servers that nobody uses.",
    "sessions reconcile": "Mend what the Hub, its servers and its routes disagree on.",
    "sessions announce": "Tell people of maintenance, in their JupyterLab and on the Hub's pages.",
    "sessions withdraw": "Take an announcement back before its maintenance ends.",
    "sessions sample": "Keep what is used now; by schedule every hour.",
    "sessions utilisation": "The week: who worked, what was used, what is full when.",
    "backup run": "Take a recovery point.",
    "backup homes": "Make a point in time of all homes.",
    "backup shared": "Make a point in time of the shared folders.",
    "restore home": "Restore a user's home, or a path of it, to a time.",
    "restore homes": "Restore every home to a time.",
    "restore shared": "Restore the shared folders, or a path in them, to a time.",
    "restore snapshot-home": "Restore a user's whole home from an EFS snapshot, where the bucket cannot help.",
    "restore database": "Restore the Hub's database from a recovery point; the Hub is stopped first.",
    "restore configuration": "Restore the cluster's ConfigMaps and Secrets from a recovery point.",
    "recover environment": "Bring a whole environment back from its bucket, in the right order.",
    "recovery status": "What could be restored now, and whether it is known to work.",
    "recovery list": "The recovery points.",
    "recovery show": "What one recovery point is made of.",
    "recovery verify": "Hold a point's members against each other and the key.",
    "recovery drill": "Rebuild the Hub beside itself from a recovery point, and prove that it works.",
    "recovery scorecard": "A drill on one page, drawn from its evidence.",
    "recovery prune": "Remove points that no rule keeps; name the crypt keys that the others need.",
    "evidence verify": "Tell whether evidence is what was signed.",
    "evidence key": "The key that signs evidence.",
    "people leaver": "End a person's access, archive their home under a legal hold, move it away.",
    "people stale-homes": "Find homes that nobody uses, and archive them the same way.",
    "deploy flows": "Register the schedules with Prefect.",
    "deploy hub": "Deploy the environment's overlay, prove it, or roll back.",
    "reports run": "Run a report and keep it.",
    "reports execute": "Run any notebooks on many parameters, fast, without Prefect.",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called; its list of commands needs none of them."""

    def __init__(self, targets: Mapping[str, Target], *, path: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.targets = targets
        self.path = path

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = self.targets.get(cmd_name)
        if target is None:
            return None
        path = f"{self.path} {cmd_name}".strip()
        if not isinstance(target, str):
            return LazyGroup(target, path=path, name=cmd_name, help=HELP[path])
        if not target.startswith("cli."):
            from cli.flow_command import FlowCommand  # noqa: PLC0415 - the environments' settings cost a moment too

            return FlowCommand(target, cmd_name, path)
        module, _, name = target.partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, HELP[f"{self.path} {name}".strip()]) for name in self.targets]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.version_option(version("riskhub"), prog_name="riskhub")
@click.group(cls=LazyGroup, targets=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
def riskhub() -> None:
    """Look after a risk platform's JupyterHub.

    What changes something shows its plan first and acts with --execute. Exit codes: 0 done or planned,
    3 partial (each miss is listed), 2 usage, 1 refused or failed.
    """


def main() -> None:
    """The entry point. Errors that are written for people end here, without a traceback."""
    try:
        riskhub()
    except SystemExit as ended:
        _leave(ended.code)
    except RiskhubError as error:
        print_error(error, as_json="--json" in sys.argv)
        _leave(1)


def _leave(code: Any) -> NoReturn:
    """End with `code`, whether or not Prefect's server took the events of a run.

    On its own Prefect holds the interpreter's exit until each of them was offered to a dead server for ten seconds.
    """
    worker = sys.modules.get("prefect.events.worker")
    if worker is not None and worker.EventsWorker.drain_all(timeout=5).not_done:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
