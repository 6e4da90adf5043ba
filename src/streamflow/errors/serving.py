"""Errors about answers: features of a key, lists of users, requests and API keys."""

from streamflow.base_error import StreamflowError


class EntityUnknown(StreamflowError):
    """This key has no features in the online store."""

    exit_code = 16
    http_status = 404
    remedy = "Check the key; a key that is not in the newest drop has no live features."


class FeaturesMissing(StreamflowError):
    """Some features of this key have no value although the catalog promises one."""

    exit_code = 17
    http_status = 422
    remedy = "Run 'streamflow materialize' after the newest drop is frozen."


class FeaturesStale(StreamflowError):
    """Some features of this key are older than the catalog allows."""

    exit_code = 26
    http_status = 503  # The request is not wrong: it succeeds after the next materialization.
    remedy = "Freeze a newer drop and run 'streamflow materialize'; max_age_days is the limit."


class FeastUnsupported(StreamflowError, NotImplementedError):
    """Feast asks our stores for something that they do not do."""

    exit_code = 38
    remedy = "docs/feast.md lists what our stores do, and what to use instead."


class NothingScored(StreamflowError):
    """No drop was scored yet, or the newest one was not added up: there is nothing to list."""

    exit_code = 47
    http_status = 404
    state = ""
    remedy = "Run 'streamflow score --as-of D --explain'."


class FilterInvalid(StreamflowError):
    """A list of users cannot be filtered or continued like this."""

    exit_code = 48
    http_status = 422
    remedy = "Run 'streamflow at-risk' without a filter to see the columns and their categories."


class Overloaded(StreamflowError):
    """There are too many requests, or PostgreSQL takes longer than a request may wait."""

    exit_code = 27
    http_status = 503
    retryable = True
    remedy = "Send the request again later; api_time_limit and api_max_waiting are the limits."


class ApiKeyUnknown(StreamflowError):
    """No API key that is in force has this name or id."""

    exit_code = 30
    http_status = 404
    remedy = "Run 'streamflow keys list' to see the keys."
