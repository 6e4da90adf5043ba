"""Models: how they are trained, kept, registered in MLflow and asked. Importing this imports no vendor."""
