"""The engine past one machine: a session with a Spark Connect server, and what runs in it.

The server is Sail or Apache Spark 4. Nothing of Spark is imported before a session is opened.
"""
