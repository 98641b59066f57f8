"""The project that ``visualsnoop-server`` runs: the server, its pages and the admin."""
