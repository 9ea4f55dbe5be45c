"""Copies of everything, encrypted: made, kept for a while, restored on trial, restored."""
