"""How the cases that are made are made, and the matrix of what catches which mistake."""
