#!/usr/bin/env python3
"""Build the platform's images: `python build/build.py --help`."""

import sys
from pathlib import Path

# A script's own folder comes first on the path, and there `build` would be this file instead of the package.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from build.command import main  # noqa: E402 - the path comes first

if __name__ == "__main__":
    main()
