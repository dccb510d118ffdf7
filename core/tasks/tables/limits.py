"""How much of a table is read at most."""

ROWS = 200_000
LETTERS = 50_000  # characters of a text that are kept: more than the longest input of any model here, in tokens
SHOWN_COLUMNS = 50  # of a preview
UNPACKED = 500_000_000  # bytes that a parquet file may say it takes when it is unpacked
ALL_LETTERS = 100_000_000  # characters of all cells that are read: parquet stores repeated texts once
BATCH = 1000  # rows of parquet at a time
SHOWN = 120  # characters of a cell in a preview
