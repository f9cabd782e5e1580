"""The library: papers, notes and pages that people give the assistant to look things up in."""
