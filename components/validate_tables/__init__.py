"""Check every table against its schema and stop the run on the first broken one."""
