"""What Alembic runs: the steps in the transaction that `ledger_database` has opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
