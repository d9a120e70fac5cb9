"""Returns as soon as Prefect's database has the schema of this image. Runs before the API server, in its image.

prefect-services alone migrates: Prefect takes no lock for it, and two migrations at once leave a broken schema.
"""

import time

import anyio
from alembic import command
from alembic.util import CommandError
from anyio.to_thread import run_sync
from prefect.server.database.alembic_commands import alembic_config
from sqlalchemy.exc import SQLAlchemyError


def compare() -> None:
    """Prefect's half of Alembic connects by the settings, and expects to run in such a thread."""
    command.current(alembic_config(), check_heads=True)


while True:
    try:
        anyio.run(run_sync, compare)
    except (CommandError, OSError, SQLAlchemyError) as error:
        print(f"Prefect's database: {str(error).splitlines()[0]}", flush=True)
        time.sleep(2)
    else:
        break
