"""HTML pages over the features."""
