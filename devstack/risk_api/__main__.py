"""`python -m devstack.risk_api --port PORT`: serve on loopback; tokens come from $RISK_API_TOKENS."""

from __future__ import annotations

import argparse
import logging
import os
import sys

import uvicorn

from devstack.process import LOOPBACK
from devstack.risk_api.access import read_tokens
from devstack.risk_api.app import create_app
from devstack.risk_api.reference import read_reference
from domain.errors import Refused


def main() -> int:
    parser = argparse.ArgumentParser(prog="devstack.risk_api", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=LOOPBACK)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        app = create_app(read_reference(), read_tokens(os.environ.get("RISK_API_TOKENS", "")))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    uvicorn.run(app, host=arguments.host, port=arguments.port, access_log=False, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
