"""What is told of a run, to a person and to a machine."""
