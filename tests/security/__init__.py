"""What SECURITY.md promises, sentence by sentence."""
