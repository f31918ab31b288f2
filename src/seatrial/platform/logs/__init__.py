"""Logs on disk, read the way CloudWatch Logs is read.

names       groups and streams as directories
lines       an event as a line
segments    a stream's files, read forwards, backwards and by time
writer      appends to a stream
patterns    which messages a filter wants
tokens      where a page ended
pages       one page of one stream, or of many interleaved
store       all of it behind one class
"""
