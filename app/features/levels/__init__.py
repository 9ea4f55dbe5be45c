"""Levels of single loggers, for a time: what an operator turns up to see why, in every process at once."""
