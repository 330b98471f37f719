"""Domain types as messages of the contract, and back. Only here do the two meet."""
