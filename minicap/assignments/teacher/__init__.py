"""What only teachers need; handouts leave it out."""
