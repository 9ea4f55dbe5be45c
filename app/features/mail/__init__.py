"""Mail that leaves exactly once for each event: an outbox, its delivery, and the letters that died."""
