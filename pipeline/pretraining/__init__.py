"""What networks begin with, learned without labels."""
