"""Email addresses as names of accounts."""

import re

# What HTML calls a valid address, and `string.email` in the contract.
_FORM = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_LONGEST = 254


def normalized(email: str) -> str:
    """The form in which an address is stored and compared: without blanks around it, in lower case.

    Raises:
        ValueError: It is no address. Addresses have ASCII characters only; a domain with others is written in Punycode.
    """
    email = email.strip().lower()
    if len(email) > _LONGEST or not _FORM.fullmatch(email):
        message = "is no email address"
        raise ValueError(message)
    return email
