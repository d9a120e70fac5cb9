"""`riskhub deploy flows`: the schedules of prefect.yaml, known to the environment's Prefect."""

from __future__ import annotations

import json
import tempfile

import click
import yaml

from cli.flow_command import environment_option, json_option
from deployments.automations import apply_automations, declared
from deployments.registration import WORK_POOL, create_pool, deploy_all, kubernetes_template, process_template
from domain.errors import Refused
from environments import Environment, EnvironmentName, load_environment
from environments.loader import PROJECT

WORKER = "prefect-worker"


@click.command("flows", params=[environment_option(), json_option()])
@click.option("--execute", is_flag=True, help="Register them; without it they are listed.")
def flows(environment: EnvironmentName, execute: bool, as_json: bool) -> None:
    """Register the work pool, every deployment of prefect.yaml, and the alerts of their runs. Twice is harmless.

    In an environment with a cluster the runs are Jobs of it, from the runbook's image that its overlay pins.

    \b
    Examples:
      riskhub deploy flows --environment dev
      riskhub deploy flows --environment dev --execute
    """
    env = load_environment(environment)
    image = _image(env) if env.cluster else None
    names = [f"{each['entrypoint']} as {each['name']}" for each in _declared()]
    if execute:
        with tempfile.TemporaryDirectory() as home:
            variables = {
                "PREFECT_API_URL": env.prefect.api_url,
                "PREFECT_HOME": home,
                "RISKHUB_ENVIRONMENT": environment,
            }
            if image:
                create_pool(variables, "kubernetes", kubernetes_template(image))
            else:
                create_pool(variables, "process", process_template())
            deploy_all(variables)
    watched = (environment, env.prefect, env.alerts)
    automations = apply_automations(*watched) if execute else [each["name"] for each in declared(*watched)]
    if as_json:
        state = "complete" if execute else "planned"
        told = {"work_pool": WORK_POOL, "image": image, "deployments": names, "automations": automations}
        click.echo(json.dumps({"state": state, **told}))
        return
    for name in names:
        click.echo(f"  {name}")
    runs = f"Jobs from {image}" if image else "processes of the worker's machine"
    click.echo(f"{len(names)} deployments {'registered' if execute else 'would be'} in {env.prefect.api_url}: {runs}")
    if automations:
        click.echo(f"{len(automations)} automations tell Alertmanager of runs that fail or do not start")
    else:
        click.echo(f"nobody is alerted of runs that fail: environment {environment} names no Alertmanager")


def _declared() -> list[dict[str, str]]:
    declared: list[dict[str, str]] = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    return declared


def _image(env: Environment) -> str:
    """The image of the overlay's worker, which the runs get too."""
    from tasks.cluster import render_overlay  # noqa: PLC0415 - Prefect costs seconds

    for manifest in render_overlay.fn(env):
        if manifest["kind"] == "Deployment" and manifest["metadata"]["name"] == WORKER:
            image: str = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
            return image
    raise Refused(f"overlay of {env.name}", f"it has no Deployment {WORKER}", "add k8s/operations to it")
