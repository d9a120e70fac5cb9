"""Container images of the Hub and its runbook: build, export, push, pin."""
