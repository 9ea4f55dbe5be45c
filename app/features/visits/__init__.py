"""How often pages were seen, and by how many."""
