"""Which roles exist, what they permit, and who holds them."""
