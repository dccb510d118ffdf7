"""The few rules of style that the theme's settings cannot say. Fixed text: nothing of a run ever enters it."""

CSS = """
.stApp, .stApp table { font-variant-numeric: tabular-nums; }
.stMainBlockContainer { padding-top: 2.6rem; padding-bottom: 4rem; max-width: 1720px; }
.stMainBlockContainer h1 { padding: 0; letter-spacing: -0.01em; }
.stMainBlockContainer h3 { padding: 0.6rem 0 0.2rem; line-height: 1.35; max-width: 62rem; text-wrap: balance; }
.st-key-bar { border-bottom: 1px solid rgba(128,134,142,0.28); padding-bottom: 0.8rem; }
"""
