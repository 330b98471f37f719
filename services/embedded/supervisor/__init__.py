"""Keeps services up on this machine: one process group, restarts with back-off, nothing left behind."""
