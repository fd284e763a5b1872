"""Requests, and which are refused."""
