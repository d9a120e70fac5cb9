"""Backup selections: which resources a backup plan covers. Kept and told again; nothing runs by them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.backup.exceptions import BackupClientError

from devstack.aws.requests import not_found, required
from domain.clock import utc_now

MAX_PER_PLAN = 100


@dataclass(frozen=True)
class Selection:
    """One selection of one plan; `content` is AWS's BackupSelection as it came."""

    id: str
    plan_id: str
    created_at: datetime
    creator_request_id: str | None
    content: dict[str, Any]

    def identity(self) -> dict[str, Any]:
        return {"SelectionId": self.id, "BackupPlanId": self.plan_id, "CreationDate": self.created_at}

    def whole(self) -> dict[str, Any]:
        return {**self.identity(), **self._creator(), "BackupSelection": self.content}

    def summary(self) -> dict[str, Any]:
        names = {name: self.content[name] for name in ("SelectionName", "IamRoleArn")}
        return {**self.identity(), **self._creator(), **names}

    def _creator(self) -> dict[str, str]:
        return {"CreatorRequestId": self.creator_request_id} if self.creator_request_id else {}


class Selections:
    """All selections of the account, by plan."""

    def __init__(self) -> None:
        self._by_id: dict[str, Selection] = {}

    def of_plan(self, plan_id: str) -> list[Selection]:
        return [selection for selection in list(self._by_id.values()) if selection.plan_id == plan_id]

    def create(self, params: dict[str, Any]) -> Selection:
        """A new selection, or the one that the same CreatorRequestId made before."""
        required(params, "BackupSelection")
        content, creator = params["BackupSelection"], params.get("CreatorRequestId")
        required(content, "SelectionName", "IamRoleArn")
        others = self.of_plan(params["BackupPlanId"])
        for other in others:
            if creator and other.creator_request_id == creator and other.content == content:
                return other
            if other.content["SelectionName"] == content["SelectionName"]:
                raise BackupClientError(
                    "AlreadyExistsException", f"Backup selection {content['SelectionName']} already exists."
                )
        if len(others) >= MAX_PER_PLAN:
            raise BackupClientError("LimitExceededException", f"A backup plan has at most {MAX_PER_PLAN} selections.")
        selection = Selection(str(uuid.uuid4()), params["BackupPlanId"], utc_now(), creator, content)
        self._by_id[selection.id] = selection
        return selection

    def find(self, plan_id: str, selection_id: str) -> Selection:
        selection = self._by_id.get(selection_id)
        if selection is None or selection.plan_id != plan_id:
            raise not_found(f"Backup selection {selection_id} does not exist.")
        return selection

    def delete(self, plan_id: str, selection_id: str) -> None:
        del self._by_id[self.find(plan_id, selection_id).id]
