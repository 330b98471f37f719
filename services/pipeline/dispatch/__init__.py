"""Decides from the store what is to be done next, and says so in Redis."""
