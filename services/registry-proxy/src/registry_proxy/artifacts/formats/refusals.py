"""The one refusal of all readers."""


class ContentRefused(Exception):
    """A file's bytes are not of the format that its name says; the text says what is wrong."""
