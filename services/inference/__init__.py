"""Language models behind one port, which student and oracle stand on; only here do backends differ."""
