"""How the texts of each arm are made."""
