# ruff: noqa: ARG004
# The signatures are Feast's.
"""What Feast may ask an offline store for, and ours does not do. Each refusal says what does it."""

from __future__ import annotations

from typing import Any

from feast.infra.offline_stores.offline_store import OfflineStore

from streamflow.errors import FeastUnsupported

MONITOR_REMEDY = "Use 'streamflow monitor', which compares a drop with the training set."


# mypy cannot check the base class, because Feast is untyped to us.
class RefusingOfflineStore(OfflineStore):  # type: ignore[misc]
    """An offline store that refuses in clear words what our store does not do."""

    @staticmethod
    def offline_write_batch(*args: Any, **kwargs: Any) -> None:
        """Refuse to write rows into a source."""
        raise FeastUnsupported(
            "offline_write_batch: Feast cannot write into a source of this store, because each row "
            "of a history belongs to a drop that was checked and frozen",
            remedy="Deliver the rows as a drop ('streamflow run DIR --as-of D'), or INSERT them "
            "into a table of your own.",
        )

    @staticmethod
    def write_logged_features(*args: Any, **kwargs: Any) -> None:
        """Refuse to write the log of a feature server."""
        raise FeastUnsupported(
            "write_logged_features: this store keeps no log of Feast's feature server",
            remedy="Ask our API, which writes each answer into streamflow.prediction_log.",
        )

    @staticmethod
    def ensure_monitoring_tables(*args: Any, **kwargs: Any) -> None:
        """Refuse to create tables for Feast's metrics."""
        raise FeastUnsupported(
            "ensure_monitoring_tables: this store does not keep Feast's metrics",
            remedy=MONITOR_REMEDY,
        )

    @staticmethod
    def save_monitoring_metrics(*args: Any, **kwargs: Any) -> None:
        """Refuse to store Feast's metrics."""
        raise FeastUnsupported(
            "save_monitoring_metrics: this store does not keep Feast's metrics",
            remedy=MONITOR_REMEDY,
        )

    @staticmethod
    def query_monitoring_metrics(*args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Refuse to read Feast's metrics."""
        raise FeastUnsupported(
            "query_monitoring_metrics: this store does not keep Feast's metrics",
            remedy=MONITOR_REMEDY,
        )

    @staticmethod
    def clear_monitoring_baseline(*args: Any, **kwargs: Any) -> None:
        """Refuse to change Feast's metrics."""
        raise FeastUnsupported(
            "clear_monitoring_baseline: this store does not keep Feast's metrics",
            remedy=MONITOR_REMEDY,
        )
