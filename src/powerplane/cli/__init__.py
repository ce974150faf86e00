"""The faces: commands, tables, reports."""
