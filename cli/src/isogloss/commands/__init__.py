"""What people type: arguments in, documents and tables out. The work is done elsewhere."""
