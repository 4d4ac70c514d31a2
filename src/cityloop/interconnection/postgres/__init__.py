"""What a city keeps in PostgreSQL."""
