"""Rewriters: `arithmetic`, `operation`, `reference_graft` by rule, `oracle_rewrite` with a language model."""
