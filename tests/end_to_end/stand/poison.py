"""What the model of these servers cannot take."""

POISON = "indigestible"
"""A text with this word makes it fail, each time."""
