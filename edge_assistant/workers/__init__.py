"""One generic supervised child process."""
