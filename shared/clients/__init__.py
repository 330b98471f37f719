"""Clients of the services: the ports of the search over gRPC, and the rest of the contract."""
