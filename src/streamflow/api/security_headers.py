"""What each answer tells a browser.

No Strict-Transport-Security: TLS ends at a proxy, which alone knows whether all of its host is HTTPS, and over plain HTTP a
browser ignores it.
"""

from __future__ import annotations

POLICY = b"content-security-policy"
HEADERS = (
    (b"cache-control", b"no-store"),  # an answer is about a person, and true at its instant
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),  # a path may hold a person's key
    (b"x-content-type-options", b"nosniff"),
    (POLICY, b"default-src 'none'; frame-ancestors 'none'"),  # the last: a page has one of its own
)
