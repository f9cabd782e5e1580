"""Which models exist, where they come from, and whether they are here: no engine is loaded."""
