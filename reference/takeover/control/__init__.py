"""What an operator asks a running server, and what it says of itself."""
