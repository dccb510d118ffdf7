"""The few rules of style that the theme's settings cannot say. Fixed text: nothing of a run ever enters it."""

CSS = """
.stApp, .stApp table { font-variant-numeric: tabular-nums; }
.stMainBlockContainer { padding-top: 3.6rem; padding-bottom: 4rem; max-width: 1720px; }
.stMainBlockContainer h1 { padding: 0; letter-spacing: -0.01em; }
.stMainBlockContainer h3 { padding: 0.6rem 0 0.2rem; line-height: 1.35; max-width: 68rem; text-wrap: pretty; }
.st-key-bar { border-bottom: 1px solid rgba(128,134,142,0.28); padding-bottom: 0.8rem; }
.stMain [data-testid="stPageLink-NavLink"] { padding: 0.1rem 0; background: none; }
.stMain [data-testid="stPageLink-NavLink"] p { text-decoration: underline; text-underline-offset: 0.25em;
  text-decoration-color: rgba(128,134,142,0.7); }
.stMain [data-testid="stPageLink-NavLink"]:hover p { text-decoration-color: currentColor; }
.stSidebar { max-width: 250px; }
.stMain .katex { font-size: 1.05em; }
.stMain .stLatex { padding: 0; }
.stPlotlyChart svg text[style*="fill: rgb(128, 132, 149)"] { fill: currentColor !important; }
[data-testid="stBottomBlockContainer"]:has(.st-key-lesson) { padding: 0.5rem 2rem 0.7rem; max-width: 1720px;
  border-top: 1px solid rgba(128,134,142,0.28); }
.st-key-lesson { max-height: 42vh; overflow-y: auto; gap: 0.4rem; }
.st-key-lesson p { font-size: 0.95rem; line-height: 1.4; }
.st-key-lesson button { min-height: 2rem; padding: 0.1rem 0.6rem; }
.tiles { display: grid; font-size: 0.9rem; line-height: 1.35; }
.card .over { display: flex; justify-content: space-between; gap: 1rem; font-size: 0.85rem; opacity: 0.75; }
.card .name { display: flex; align-items: baseline; gap: 0.5rem; font-weight: 600; padding: 0.15rem 0 0.45rem; }
.card .name i { width: 0.7rem; height: 0.7rem; border-radius: 2px; flex: none; }
.card .name b { margin-left: auto; }
.card .bar { position: relative; height: 0.6rem; background: rgba(128,134,142,0.16); border-radius: 2px; }
.card .bar i { display: block; height: 100%; border-radius: 2px; }
.card .bar u { position: absolute; top: -0.2rem; width: 2px; height: 1rem; background: currentColor; opacity: 0.8; }
.card .figures { display: flex; justify-content: space-between; padding: 0.35rem 0 0.1rem; }
"""
