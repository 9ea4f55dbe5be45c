"""The people: who they are, whether they may come in, and what they proved to know."""
