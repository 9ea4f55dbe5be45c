"""What the service costs, in one run, against a bare function that does the same work."""
