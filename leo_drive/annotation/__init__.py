"""Logs and questions in, a table of answers out: windows, question sets, a store that survives, the run."""
