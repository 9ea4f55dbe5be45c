"""What Carboy promises, held: mirrors ``app/``, in two worlds."""
