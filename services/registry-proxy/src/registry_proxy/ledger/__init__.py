"""The ledger: what stands where, why, and who decided; every Gate that guards a Stage."""
