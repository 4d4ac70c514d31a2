"""The bus: a copy of the log that others read, in process or on NATS JetStream."""
