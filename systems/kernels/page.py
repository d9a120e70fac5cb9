"""An executed notebook as one HTML page that needs nothing else: no network, no script, fit for printing."""

from __future__ import annotations

import html
import threading
from pathlib import Path
from string import Template

from nbconvert import HTMLExporter
from nbformat import NotebookNode

_STYLE = Path(__file__).with_name("page.css")
_PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body><main>
$body
</main></body>
</html>
"""
)


class _Local(threading.local):
    """Exporters by whether they show code: making one takes longer than using it."""

    def __init__(self) -> None:
        self.made: dict[bool, HTMLExporter] = {}


_local = _Local()


def html_page(notebook: NotebookNode, title: str, *, with_code: bool = False) -> str:
    """The page. Readers of a report want no code; whoever mends a failed one does."""
    body, _ = _exporter(with_code=with_code).from_notebook_node(notebook)
    return _PAGE.substitute(title=html.escape(title), style=_STYLE.read_text(encoding="utf-8"), body=body)


def _exporter(*, with_code: bool) -> HTMLExporter:
    if with_code not in _local.made:
        _local.made[with_code] = HTMLExporter(  # type: ignore[no-untyped-call]
            template_name="basic",
            exclude_input=not with_code,
            exclude_input_prompt=True,
            exclude_output_prompt=True,
            exclude_anchor_links=True,
        )
    return _local.made[with_code]
