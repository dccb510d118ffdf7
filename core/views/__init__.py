"""What a run looks like: pure functions from a record (and arrays) to a `View`. No streamlit, no torch."""
