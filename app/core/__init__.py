"""Plain Python: what the service knows without Flask and without talking to anyone."""
