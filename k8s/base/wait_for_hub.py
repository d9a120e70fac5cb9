"""Returns as soon as the hub takes connections. Runs before a user's server, in its image.

A node that reboots starts both at once; a server without its hub backs off for 2, 4, 8, 16 and 16 s, and then ends.
KubeSpawner takes this text for a template, hence no braces.
"""

import socket
import sys
import time

host, port = sys.argv[1], int(sys.argv[2])
while True:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError as error:
        print("hub", host, error, flush=True)
        time.sleep(0.5)
    else:
        break
