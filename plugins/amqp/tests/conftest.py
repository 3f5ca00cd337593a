"""What the tests of the RabbitMQ plugin share."""
