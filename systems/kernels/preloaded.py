"""What a warm parent has imported, so that no report has to: importing this module is the warming.

matplotlib reads its backend when it is imported: here the one that a kernel would choose. The backend itself, and
pyplot's figures, are left to the kernel: it hooks into IPython when it is first used.
"""

from __future__ import annotations

import contextlib
import importlib
import os

os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")

# Of users' images too, where some are not installed.
for _module in (
    "papermill",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "IPython.core.completer",
    "numpy",
    "pandas",
    "pandas.io.formats.style",
    "scipy.optimize",
    "scipy.stats",
    "matplotlib.backends.backend_agg",
    "matplotlib.dates",
    "matplotlib.font_manager",
    "matplotlib.pyplot",
    "httpx",
    "pyarrow.parquet",
):
    with contextlib.suppress(ImportError):
        importlib.import_module(_module)
