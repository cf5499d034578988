"""Everything we say to people, one module of plain sentences per language."""
