"""The rules of the broker contract, one topic a file; `tq.testing.broker` puts them together."""
