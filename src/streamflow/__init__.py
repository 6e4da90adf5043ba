"""From monthly CSV drops of a subscription business to churn predictions that can be audited."""

__version__ = "0.1.0"
