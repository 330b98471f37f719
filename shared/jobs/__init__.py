"""Jobs and their shards in the artifact store, which is the only truth about them."""
