"""Becomes the program in its arguments as soon as the Hub takes connections. A user's server begins with it.

Without it a server that comes back before its Hub (a node rebooted) sleeps 2, 4, 8, 16 and 16 seconds between its
tries and then ends. An init container cannot wait in its place: the Hub, back first, takes such a pod for dead.
"""

import os
import socket
import sys
import time
from urllib.parse import urlsplit

hub = urlsplit(os.environ["JUPYTERHUB_API_URL"])
while True:
    try:
        socket.create_connection((hub.hostname, hub.port or 80), timeout=2).close()
    except OSError as error:
        print(f"hub {hub.hostname}: {error}", flush=True)
        time.sleep(0.2)
    else:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command that KubeSpawner was given
