"""Which entities a request means: ids, types, q, geography and scopes (GS CIM 009, 4.7 to 4.23)."""
