"""Many runs to one table, one file a question."""
