"""Runs a conversation file through the real pipeline and says who would answer what, and why."""
