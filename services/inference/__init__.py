"""Language models behind one port, which student and oracle stand on: the only house where backends differ."""
