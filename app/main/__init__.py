"""Assembly: the factory, the features, the commands, the server."""
