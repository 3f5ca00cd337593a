"""Signatures: calls as data, and what they unroll to."""
