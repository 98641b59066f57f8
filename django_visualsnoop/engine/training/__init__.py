"""Learn the descriptor. No module that runs in a project imports this."""
