"""SparseScope's core: prune transformers, record what happened, draw it. Never imports streamlit."""

__version__ = "1.0.0"
