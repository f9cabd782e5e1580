"""The house: what devices there are, how they are, and how they are told what to do."""
