"""A copy of the data for the other server: taken of a snapshot, only what differs sent, switched to as a whole."""
