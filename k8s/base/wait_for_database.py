"""Returns as soon as the Hub's database takes connections. Runs before the Hub, in its image."""

import os
import socket
import time
from urllib.parse import urlsplit

database = urlsplit(os.environ["HUB_DATABASE_URL"])
while True:
    try:
        socket.create_connection((database.hostname, database.port or 5432), timeout=2).close()
    except OSError as error:
        print(f"database {database.hostname}: {error}", flush=True)
        time.sleep(0.5)
    else:
        break
