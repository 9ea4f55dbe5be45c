"""Who wrote a moment ago, and so reads from the database itself and not from a replica."""
