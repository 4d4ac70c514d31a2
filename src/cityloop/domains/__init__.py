"""The loops, one file each, by domain. Domains meet only as data in the log."""
