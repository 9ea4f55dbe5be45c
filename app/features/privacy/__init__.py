"""What the service holds of a person: shown to them, and forgotten in time."""
