"""The command line: argument parsing only, one small file per command group."""
