"""How the descriptor is learned. No module that runs in a project imports this."""
