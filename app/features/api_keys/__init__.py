"""Keys for programs: scoped, hashed, and never worth more than their owner."""
