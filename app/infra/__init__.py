"""The neighbours, each with a real and an embedded form that a setting chooses."""
