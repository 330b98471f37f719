"""Rewriters without a language model: `arithmetic`, `operation`, `reference_graft`."""
