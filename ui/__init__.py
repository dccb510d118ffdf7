"""The dashboard's frame: the list of pages, the bar on top, the way a view is shown. The only folder, with `pages/`
and `app.py`, that knows Streamlit."""
