"""The artifact store: the truth about everything that was accepted."""
