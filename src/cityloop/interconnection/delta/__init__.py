"""The cold half of a log as Delta tables on S3-compatible storage, open to Spark, Trino, DuckDB."""
