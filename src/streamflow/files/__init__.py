"""CSV, Parquet, HTML and figures."""
