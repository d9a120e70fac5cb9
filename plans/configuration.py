"""What a restore of the cluster's configuration would change. Pure; values are known by their fingerprints alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from domain.deployment import Difference, ObjectKey
from domain.plan import Action, Plan

_HASHED = re.compile(r"-[bcdfghkmt2456789]{10}$")  # kustomize's own alphabet


def plan_configuration_restore(
    differences: Iterable[Difference], asked_for: Collection[ObjectKey], *, point: str, environment: str
) -> Plan[ObjectKey]:
    """Put back each object that is missing or holds other values than in `point`; the keys are the reason.

    What is newer than the point is left alone. So is a ConfigMap that kustomize named after its content, that is gone
    and not `asked_for` by any workload: it belongs to an earlier deployment, and the next brings its own.
    """
    actions: list[Action[ObjectKey]] = []
    left: list[Action[ObjectKey]] = []
    for each in differences:
        key, reason = each.saved.key, _reason(each)
        if not reason:
            left.append(Action("leave", key.label, "it is as in the point", key))
        elif each.live is None and _HASHED.search(key.name) and key.kind == "ConfigMap" and key not in asked_for:
            left.append(Action("leave", key.label, "no workload asks for it; riskhub deploy hub brings its own", key))
        else:
            actions.append(Action("restore", key.label, reason, key))
    return Plan(f"Restore the configuration of {environment} from point {point}", tuple(actions), tuple(left))


def _reason(difference: Difference) -> str:
    """Why the object is to be restored; empty when it is as it was."""
    if difference.live is None:
        return f"it is missing; {len(difference.saved.fingerprints)} entries come back"
    before, after = dict(difference.live.fingerprints), dict(difference.restored.fingerprints)
    parts = {
        "missing": sorted(after.keys() - before.keys()),
        "another value": sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
        "not in the point, goes": sorted(before.keys() - after.keys()),
    }
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)
