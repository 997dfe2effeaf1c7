"""The commands, one file each: parse, call the library, print, return the exit code."""
