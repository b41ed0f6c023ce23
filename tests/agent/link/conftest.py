"""A server's certificate that is trusted."""

from tests.support.tls import tls

__all__ = ["tls"]
