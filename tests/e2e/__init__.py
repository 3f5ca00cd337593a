"""The whole system: real workers as real processes, and clients as users write them."""
