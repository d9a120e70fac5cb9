"""A day of operations on the embedded stack: people work, the flows look after them, damage is done and undone."""
