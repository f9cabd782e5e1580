"""`bench retrieval`: how fast and how well stored text is found, remembered, corrected, forgotten."""
