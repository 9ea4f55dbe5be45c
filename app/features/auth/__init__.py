"""Proving who one is: register, sign in, refresh, sessions."""
