"""The ledger's schema, step by step from the first one on. A step that was released stays as it
is; each must keep every entry, byte for byte.
"""
