"""API v1: the calls of VisualSnoop's own clients, signed with VSHMAC."""
