"""The operator's side of a fleet: who may join, what each shall be, and what became of it."""
