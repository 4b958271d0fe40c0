"""The command's borders: processes, ports, HTTP, the clock. Vendors' packages end here."""
