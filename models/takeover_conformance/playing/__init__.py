"""How a case is played: a tested server's place in the virtual world, and a service on machines."""
