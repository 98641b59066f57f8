"""The users of the server: accounts, organisations, keys, and their limits."""
