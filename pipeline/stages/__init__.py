"""One thin entry per DVC stage: read, one pure call, write."""
