"""The side that calls: options to messages, messages to brokers, results back."""
