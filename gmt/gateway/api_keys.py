"""Tell who calls by their API key, of which only a hash is kept, and whose users they may name."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from gmt.gateway.api_errors import ApiError
from gmt.gateway.pool_settings import TENANT, ApiKeyEntry

APART = "::"
"""Stands between tenant and user in the names that a run knows; no user's own name may hold it."""
LONGEST = 200


@dataclass(frozen=True)
class Caller:
    """Hold who calls.

    Args:
        tenant: Whose users they may name; empty for the run's own.
        admin: They may act for any tenant.
        hash: Of their key, by which their requests are counted; empty where there are no keys.
    """

    tenant: str
    admin: bool
    hash: str = ""

    def scoped(self, user: str | None) -> str | None:
        """Return the name under which the run knows a user of this tenant, None for nobody by name."""
        return None if user is None else self.scoped_name(user)

    def scoped_name(self, user: str) -> str:
        """Return the name under which the run knows a user of this tenant.

        Raises:
            ApiError: The name is too long, has blanks around it or holds what keeps tenants apart.
        """
        bad = user != user.strip() or not 0 < len(user) <= LONGEST or not user.isprintable()
        if bad or APART in user:
            raise ApiError(400, f"user is no name; expected 1 to {LONGEST} printable characters without {APART!r}")
        return f"{self.tenant}{APART}{user}" if self.tenant else user

    def owns(self, user: str | None) -> bool:
        """Tell whether a user, as the run knows them, is of this tenant."""
        tenant, apart, _ = (user or "").partition(APART)
        return user is not None and (tenant if apart else "") == self.tenant


def new_key() -> tuple[str, str]:
    """Return a new key and its hash; 256 random bits need no slow hash."""
    key = f"gmt-{secrets.token_urlsafe(32)}"
    return key, hash_of(key)


def hash_of(key: str) -> str:
    """Return the hash of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class ApiKeys:
    """Know the holders of all keys.

    Args:
        entries: From the pool's file; without any, everybody may call and is nobody's tenant.
    """

    def __init__(self, entries: Sequence[ApiKeyEntry]) -> None:
        self._entries = tuple(entries)

    @property
    def are_needed(self) -> bool:
        """Tell whether a call needs a key."""
        return bool(self._entries)

    def caller(self, authorization: str | None, tenant: str | None = None) -> Caller:
        """Return who calls.

        Args:
            authorization: The header, `Bearer KEY`.
            tenant: Whom an admin acts for; the run's own users by default.

        Raises:
            ApiError: The key is missing or unknown, or a tenant is named without an admin's key.
        """
        if not self._entries:
            return Caller("", True)
        scheme, _, key = (authorization or "").partition(" ")
        given = hash_of(key.strip()) if scheme.lower() == "bearer" and key.strip() else ""
        # All are compared, each in constant time, so that time tells nothing of which exists.
        found = [entry for entry in self._entries if hmac.compare_digest(entry.sha256, given)]
        if not found:
            raise ApiError(401, "the API key is missing or unknown; send Authorization: Bearer KEY", "invalid_api_key")
        if not found[0].admin:
            if tenant is not None and tenant != found[0].tenant:
                raise ApiError(403, "x-gmt-tenant is for admin keys; leave it out")
            return Caller(found[0].tenant, False, given)
        # As in the pool's file, for a tenant called `one:` would name users of `one`.
        if tenant and not re.fullmatch(TENANT, tenant):
            raise ApiError(400, "x-gmt-tenant is no name of a tenant")
        return Caller(tenant or "", True, given)
