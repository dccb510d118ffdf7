"""Run folders: the typed record, the store that reads and writes them, the array encodings. No torch in here."""
