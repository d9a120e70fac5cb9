"""The runbook: one module a chapter, one flow a page."""
