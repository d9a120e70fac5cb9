"""The policy of every call a flow makes: retries, deadlines, limits, what the UI shows."""
