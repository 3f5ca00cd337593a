"""Faults on purpose: real processes on real servers, with every execution written to a ledger outside of them."""
