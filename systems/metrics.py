"""Figures on their way out: as text that Prometheus and its agents read, and to CloudWatch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import boto3
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

from domain.metrics import Figure, Unit
from environments.settings import AwsSettings
from systems.aws import aws_errors, client_options

NAMESPACE = "riskhub"
_CLOUDWATCH_UNITS: dict[Unit, str] = {"seconds": "Seconds", "bytes": "Bytes", "cores": "None", "count": "Count"}
_AT_ONCE = 500  # CloudWatch takes 1000 and a body of 1 MB


def as_openmetrics(figures: Sequence[Figure], environment: str) -> str:
    """OpenMetrics text: gauges `riskhub_<name>`; a figure without a value is named and has no sample."""
    registry, gauges = CollectorRegistry(), dict[str, Gauge]()
    for figure in figures:
        if figure.name not in gauges:
            labels = ["environment", *figure.labels]
            gauges[figure.name] = Gauge(f"{NAMESPACE}_{figure.name}", figure.what, labels, registry=registry)
        if figure.value is not None:
            gauges[figure.name].labels(environment=environment, **figure.labels).set(figure.value)
    told: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return told.decode()


def send_to_cloudwatch(aws: AwsSettings, figures: Sequence[Figure], environment: str) -> int:
    """Put the figures that have a value into the namespace `riskhub`; how many.

    Raises:
        Unreachable, Refused: see `aws_errors`.
    """
    cloudwatch: Any = boto3.client("cloudwatch", **client_options(aws))
    data = [_datum(figure, figure.value, environment) for figure in figures if figure.value is not None]
    with aws_errors(aws, f"CloudWatch metrics {NAMESPACE}"):
        for first in range(0, len(data), _AT_ONCE):
            cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data[first : first + _AT_ONCE])
    return len(data)


def _datum(figure: Figure, value: float, environment: str) -> dict[str, Any]:
    labels = {"environment": environment, **figure.labels}
    return {
        "MetricName": figure.name,
        "Dimensions": [{"Name": name, "Value": text} for name, text in labels.items()],
        "Value": value,
        "Unit": _CLOUDWATCH_UNITS[figure.unit],
    }
