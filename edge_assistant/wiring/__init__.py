"""Parts of the start-up that `app.py` names one by one; each imports what it starts."""
