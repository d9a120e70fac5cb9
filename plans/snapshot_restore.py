"""What brings a home back from a snapshot: aside first, then in place, whole."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from domain.plan import Action, Plan
from domain.recovery import Snapshot


def plan_snapshot_restore(snapshot: Snapshot, home: Path, *, exists: bool, now: datetime) -> Plan[Path]:
    """Plan to bring back `home` as it is in `snapshot`. `exists`: there is something in its place."""
    hours = (now - snapshot.created_at).total_seconds() / 3600
    aside = f"by AWS Backup, beside everything, from the snapshot of {snapshot.created_at:%Y-%m-%d %H:%M} UTC, "
    aside += f"{hours:.1f} h old"
    in_place = "whole, by rename; nothing is there"
    if exists:
        in_place = "whole, by rename; what is there, with all that is newer, is kept beside the homes"
    return Plan(
        title=f"restore {home} from snapshot {snapshot.recovery_point_arn}",
        actions=(
            Action("restore aside", str(home), aside, home),
            Action("replace" if exists else "create", str(home), in_place, home),
        ),
    )
