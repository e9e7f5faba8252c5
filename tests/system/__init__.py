"""The whole engine from outside: real processes by the command line, real servers, kills and freezes.

stack     a namespace with its hosts and workers, as operating system processes
audit     what the database must show after any run, whatever happened
"""
