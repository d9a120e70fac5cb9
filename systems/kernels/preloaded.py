"""What a warm parent has imported, so that no report has to: importing this module is the warming.

matplotlib reads its backend when it is imported: here the one that a kernel would choose. That backend itself, all of
matplotlib_inline, is left to the kernel, since it hooks into IPython when it is imported. What a kernel imports in its
first second was looked up in one (`sys.modules` at its end, less those here).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os

os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else debugpy warns of Python's frozen modules

_IN_EVERY_KERNEL = (
    "papermill",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.core.pylabtools",
    "IPython.extensions.storemagic",
    "sqlite3",
    "tornado.platform.asyncio",
    "tornado.queues",
)
# Of users' images too, where some are not installed.
_IN_REPORTS = (
    "numpy",
    "pandas",
    "pandas.io.formats.style",
    "pandas.plotting._matplotlib",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "scipy.optimize",
    "scipy.stats",
    "matplotlib.pyplot",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PpmImagePlugin",
    "httpx",
)


def _validate_once() -> None:
    """nbformat compiles a schema at the first notebook of a format: 4.4 has no cell ids, 4.5 is today's."""
    import nbformat  # noqa: PLC0415 - where it is installed

    for minor in (4, 5):
        notebook = nbformat.from_dict({"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": []})  # type: ignore[no-untyped-call]
        nbformat.validate(notebook)


def _draw_once() -> None:
    """matplotlib looks fonts up at its first text."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - where it is installed
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure()
    figure.subplots().plot([0, 1])
    FigureCanvasAgg(figure).print_png(io.BytesIO())  # type: ignore[no-untyped-call]


for _module in (*_IN_EVERY_KERNEL, *_IN_REPORTS):
    with contextlib.suppress(ImportError):
        importlib.import_module(_module)
for _once in (_validate_once, _draw_once):
    with contextlib.suppress(ImportError):
        _once()
gc.freeze()  # what is here stays: a collection in a fork would copy its pages
