"""What the services speak: the generated contract, its door, and the way from and to domain types."""
