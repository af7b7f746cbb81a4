"""Whether a request may be carried out: what the contract says, and what it cannot say."""
