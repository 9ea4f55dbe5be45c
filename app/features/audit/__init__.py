"""Who did what, and when: a trail that can be added to and never changed."""
