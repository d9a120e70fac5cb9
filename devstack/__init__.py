"""The embedded stack: every part of the platform as a real process on loopback."""
