"""Read and write files: CSV, Parquet, ZIP archives, HTML pages and figures."""
