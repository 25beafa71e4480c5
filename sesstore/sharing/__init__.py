"""Push, pull, merge and serve stores."""
