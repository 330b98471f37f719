"""Measurements against a named bar; each script prints one JSON object as its last line."""
