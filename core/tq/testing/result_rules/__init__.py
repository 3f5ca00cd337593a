"""The rules of the result backend contract, one topic a file; `tq.testing.results` puts them together."""
