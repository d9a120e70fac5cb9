"""The configuration of a drill's Hub: the one that the recovery point holds, and what the drill itself may do.

Only this Hub knows the drill's token; the first one, whose users are real, gives nobody such rights. On a cluster its
users' pods mount the drill's folders of the file system, DRILL_HOMES, and nothing above them.
"""

import os
from typing import Any

c = get_config()  # type: ignore[name-defined]
load_subconfig(os.environ["HUB_CONFIGURATION"])  # type: ignore[name-defined]

c.JupyterHub.services.append({"name": "drill", "api_token": os.environ["JUPYTERHUB_DRILL_TOKEN"]})
c.JupyterHub.load_roles.append(
    {
        "name": "drill",
        "services": ["drill"],
        "scopes": ["admin:users", "admin:auth_state", "admin:servers", "tokens", "access:servers", "read:hub"],
    }
)

if below := os.environ.get("DRILL_HOMES"):
    _of_the_first_hub = c.KubeSpawner.profile_list

    def _moved(mounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**mount, "subPath": f"{below}/{mount['subPath']}"} for mount in mounts]

    def _profiles(spawner: Any) -> list[dict[str, Any]]:
        profiles: list[dict[str, Any]] = _of_the_first_hub(spawner)
        for profile in profiles:
            override = profile["kubespawner_override"]
            override["volume_mounts"] = _moved(override["volume_mounts"])
            for container in override["init_containers"]:
                container["volumeMounts"] = _moved(container["volumeMounts"])
        return profiles

    c.KubeSpawner.profile_list = _profiles
