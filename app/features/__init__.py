"""What the product does: a stack, top stands on bottom; each feature is entered by its ``service`` alone."""
