"""The words everybody shares: plans, outcomes, records, findings and errors.

The bottom of the house. Standard library and pydantic only; no I/O, no Prefect, no clients.
"""
