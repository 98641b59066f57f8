"""Who uses the server: accounts, organisations, keys, and how much they may use."""
