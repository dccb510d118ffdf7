"""The few rules of style that the theme's settings cannot say. Fixed text: nothing of a run ever enters it."""

CSS = """
.stApp, .stApp table { font-variant-numeric: tabular-nums; }
/* Streamlit's faded words and chosen segments have a contrast of 4.3 to 1, and 4.5 is the least that is called
   readable. These have more than 5.5, on both themes. */
.stApp { --quiet: light-dark(#545c66, #aab2bd); --chosen: light-dark(#2359ad, #8ab6f5); }
.stApp [data-testid="stCaptionContainer"], .stApp [data-testid="stCaptionContainer"] :is(p, li),
.stApp .stExpander summary p { color: var(--quiet); opacity: 1; }
.stApp .stExpander :is(details, summary, summary *) { opacity: 1; }
.stApp button[data-selected="true"] p { color: var(--chosen); }
.stApp :is([data-testid="stBaseButton-primary"], [data-tag-index]) { background: #2f6fd0; border-color: #2f6fd0;
  color: #ffffff; }
.stApp [data-testid="stCode"] code span { color: inherit !important; }
/* Where the keyboard is: a line, not a tint. */
.stApp :is(a, button, summary, input[type="range"], [role="tab"], [role="slider"], [role="option"]):focus-visible {
  outline: 2px solid var(--chosen) !important; outline-offset: 2px; }
.stApp [data-baseweb="select"]:focus-within { outline: 2px solid var(--chosen); outline-offset: 1px;
  border-radius: 6px; }
@media (prefers-reduced-motion: reduce) {
  .stApp *, .stApp *::before, .stApp *::after { transition-duration: 0.01ms !important;
    animation-duration: 0.01ms !important; animation-iteration-count: 1 !important; scroll-behavior: auto !important; }
}
@media (forced-colors: active) {  /* a colour that means something stays; a border says where a box is */
  .card .name i, table.method td i, .solving i, .tokens span { forced-color-adjust: none; }
  .stApp button[data-selected="true"] { outline: 2px solid Highlight; }
  .st-key-learn [data-testid="stPageLink-NavLink"] { border: 2px solid LinkText; }
  .stSidebar a[aria-current="page"] { outline: 1px solid Highlight; }
}
/* The page's title stands in the row of the toolbar, which is empty but for its menu. */
.stAppHeader { background: none; pointer-events: none; }
.stAppHeader * { pointer-events: none; }
.stAppHeader :is(button, a, [role=button], button *, a *) { pointer-events: auto; }
.st-key-menu button { min-height: 1.6rem; padding: 0; }
.stMainBlockContainer { padding: 1.1rem 2.5rem 3rem; max-width: 1720px; }
.stMainBlockContainer h1 { padding: 0; letter-spacing: -0.01em; font-size: 1.5rem; }
.stMainBlockContainer h2 { padding: 0.1rem 0; line-height: 1.35; font-size: 1.2rem;
  max-width: 68rem; text-wrap: pretty; }
/* Nothing but scripts stands between the title and what follows it: one gap is enough there. */
.st-key-heading { padding-right: 3rem; margin-bottom: -1rem; }
.stMain:has(.st-key-one-screen) .st-key-heading { margin-bottom: 0; }
.st-key-heading [data-testid="stCaptionContainer"] p { padding-bottom: 0.2rem; }
.st-key-bar [data-baseweb="select"] { font-size: 0.93rem; }
.st-key-side [data-baseweb="select"] { font-size: 0.85rem; }
.st-key-bar { border-bottom: 1px solid rgba(128,134,142,0.28); padding-bottom: 0.5rem; }
.stMain [data-testid="stPageLink-NavLink"] { padding: 0.1rem 0; background: none; }
.stMain [data-testid="stPageLink-NavLink"] p { text-decoration: underline; text-underline-offset: 0.25em;
  text-decoration-color: rgba(128,134,142,0.7); }
.stMain [data-testid="stPageLink-NavLink"]:hover p { text-decoration-color: currentColor; }
.stSidebar { max-width: 250px; }
@media (min-width: 641px) {  /* all twenty pages on a small screen, and the note under them on a large one */
  .stSidebar [data-testid="stSidebarHeader"] { height: 2rem; margin-bottom: 0.4rem; }
  .stSidebar [data-testid="stSidebarNavItems"] li { margin: 0; }
  .stSidebar [data-testid="stSidebarNavLink"] { height: 1.62rem; margin: 0; }
  .stSidebar [data-testid="stNavSectionHeader"] { margin-top: 0.3rem; margin-bottom: 0.1rem; }
}
/* On a large window the film takes what the numbers beside it do not need: ten pixels a weight at 1920 x 1080. */
@media (min-width: 1800px) and (min-height: 900px) {
  .st-key-front .stHorizontalBlock:has(> .stColumn) { gap: 2rem; }
  .st-key-front .stColumn:last-child { flex: 0 0 14.5rem; width: 14.5rem; }
  .st-key-front .stColumn:first-child { flex: 1 1 0; }
}
.stMain .katex { font-size: 1.05em; }
.stMain .stLatex { padding: 0; }
.stPlotlyChart svg text[style*="fill: rgb(128, 132, 149)"] { fill: currentColor !important; }
/* A figure's grey suits both themes and reads well on neither: on a page its words take the grey of the theme. */
.stPlotlyChart svg text[style*="fill: rgb(122, 130, 140)"] { fill: var(--quiet) !important; }
[data-testid="stBottomBlockContainer"]:has(.st-key-lesson) { padding: 0.3rem 2rem 0.5rem; max-width: 1720px;
  border-top: 1px solid rgba(128,134,142,0.28); }
.st-key-lesson { min-height: 9.2rem; max-height: 42vh; overflow-y: auto; gap: 0.3rem; }
.st-key-lesson .stVerticalBlock { gap: 0.4rem; }
.st-key-lesson .stHorizontalBlock { row-gap: 0.4rem; }
.st-key-lesson p { font-size: 0.95rem; line-height: 1.4; }
.st-key-lesson button { min-height: 1.9rem; padding: 0.1rem 0.6rem; }
@media (max-width: 640px) { .st-key-lesson .st-key-lesson-again, .st-key-lesson .stPopover { display: none; } }
.stMain:has(.st-key-one-screen) .stMainBlockContainer > .stVerticalBlock { gap: 0.4rem; }
#answers { font-size: 1.45rem; }
/* What Inspect is asked is whether it is sparse: that is said largest, and its numbers after it. */
.stMain .st-key-verdict h2 { font-size: 1.8rem; line-height: 1.25; }
.st-key-verdict [data-testid="stMetricValue"] { font-size: 1.35rem; }
.stMain:has(.st-key-one-screen) h2 { padding-bottom: 0.8rem; max-width: none; }
[class*="st-key-save-"] [data-testid="stPopoverButton"] { min-height: 2rem; padding-block: 0;
  color: inherit; }
/* Streamlit darkens the word of an open menu in the dark theme too: 2.7 to 1. */
[data-testid="stPopoverButton"][aria-expanded="true"] { color: inherit; }
/* The steps of a lesson under the picture of their act: all of them on one screen. */
.stMain h3 { font-size: 1.1rem; padding: 0.2rem 0; }
[class*="st-key-steps-"] { gap: 0.3rem; }
[class*="st-key-steps-"] a, [class*="st-key-steps-"] a * { white-space: normal; overflow: visible; height: auto; }
.stMain .st-key-window-high { flex: none; height: max(440px, calc(100vh - 300px)); }
/* A line that says what a heading would, and unfolds; a slider beside its label, with room for its number. */
.stApp [class*="st-key-line-"] .stExpander summary p { color: inherit; font-size: 1.2rem; font-weight: 600; }
[class*="st-key-aside-"] { padding-top: 0.9rem; margin-bottom: -0.5rem; }
.st-key-picked { min-height: 2.6rem; }
[class*="st-key-slides-"] a, [class*="st-key-slides-"] a * { white-space: normal; overflow: visible; height: auto; }
.st-key-picked code { white-space: nowrap; }
[class*="st-key-learn"] [data-testid="stPageLink-NavLink"] { background: #2f6fd0; border-radius: 6px;
  padding: 0.5rem 1.1rem; }
[class*="st-key-learn"] [data-testid="stPageLink-NavLink"]:hover { background: #2359ad; }
[class*="st-key-learn"] [data-testid="stPageLink-NavLink"] :is(p, span) { color: #ffffff;
  text-decoration: none; font-weight: 600; }
.card .name { display: flex; align-items: baseline; gap: 0.5rem; font-weight: 600; padding: 0.15rem 0 0.45rem; }
.card .name i { width: 0.7rem; height: 0.7rem; border-radius: 2px; flex: none; }
.card .name a { color: inherit; text-decoration: none; }
.card .name span { margin-left: auto; font-weight: 400; font-size: 0.85rem; opacity: 0.75; }
.card .name a:hover { text-decoration: underline; }
.formula { font-family: KaTeX_Main, "STIX Two Text", Cambria, "Times New Roman", serif; font-size: 1.1em;
  line-height: 1.5; padding: 0.5rem 0.8rem; margin: 0.2rem 0 0.6rem; border-left: 3px solid rgba(128,134,142,0.4);
  background: rgba(128,134,142,0.07); }
.formula > div { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: 1.6em; }
.formula b { font-weight: 400; }
.formula span { flex: 1 1 10em; font-family: "Source Sans", sans-serif; font-size: 0.86rem; opacity: 0.78; }
.formula .words b { font-family: "Source Sans", sans-serif; font-size: 0.92rem; opacity: 0.85; }
.formula sub, .formula sup, .method sub, .method sup { font-size: 0.72em; line-height: 0; }
p.method { margin: 0 0 0.4rem; line-height: 1.5; }
dl.method { display: grid; grid-template-columns: max-content 1fr; gap: 0.3rem 1rem; margin: 0.2rem 0; padding: 0; }
dl.method dt, dl.method dd { margin: 0; padding: 0; line-height: 1.5; font-weight: 400; }
dl.method dt { font-size: 0.9rem; opacity: 0.75; }
.method code, .formula code { font-size: 0.88em; background: none; padding: 0; color: inherit; }
/* A number is never broken, a pattern may be: where the columns need more room than there is, the table scrolls. */
table.runs td:nth-child(n+3) { white-space: nowrap; }
table.runs td:nth-child(2) { overflow-wrap: anywhere; }
.stHtml:has(> table.method) { overflow-x: auto; }
table.method { width: 100%; border-collapse: collapse; margin: 0.3rem 0 0.6rem; font-size: 0.95rem; }
table.method caption, .printed > small { text-align: left; font-size: 0.85rem; opacity: 0.75; }
table.method th { text-align: left; font-weight: 400; font-size: 0.85rem; opacity: 0.75; }
table.method td, table.method th { padding: 0.22rem 0.8rem 0.22rem 0; vertical-align: top;
  border-bottom: 1px solid rgba(128,134,142,0.2); }
table.runs td, table.runs th { padding-right: 0.5rem; }
table.runs td { font-size: 0.88rem; }
table.method.wide { max-width: 68rem; }
table.method td i { display: inline-block; width: 0.7rem; height: 0.7rem; border-radius: 2px; margin-right: 0.5rem; }
table.method a { color: inherit; text-underline-offset: 0.2em; text-decoration-color: rgba(128,134,142,0.7); }
.printed { border: 1px dashed rgba(128,134,142,0.6); border-radius: 6px; padding: 0.4rem 0.8rem;
  margin: 0.3rem 0 0.6rem; }
.printed > div { display: grid; grid-template-columns: minmax(4.5rem, max-content) 1fr; gap: 0.9rem;
  padding: 0.2rem 0; align-items: baseline; }
.printed small { font-size: 0.85rem; opacity: 0.78; }
.tokens { display: flex; flex-wrap: wrap; gap: 0.25rem; line-height: 1.5; font-size: 0.95rem; }
.tokens span { padding: 0 0.4rem; border-radius: 4px; background: rgba(47,111,208,0.16); overflow-wrap: anywhere; }
.tokens .second { background: rgba(20,140,140,0.2); }
.tokens .special { background: rgba(128,134,142,0.14); opacity: 0.75; }
.tokens .unknown { background: none; outline: 1px dashed rgba(217,116,38,0.9); text-decoration: line-through; }
.tokens .more { background: none; opacity: 0.75; }
.solving { display: grid; gap: 3px; font-size: 1rem; padding: 0.3rem 0; }
.solving b { font-weight: 400; font-size: 0.9rem; align-self: center; text-align: center;
  padding: 0.2rem 0.6rem 0.2rem 0; }
.solving i { font-style: normal; display: flex; align-items: center; justify-content: center; min-height: 2.2rem;
  border-radius: 3px; background: rgba(128,134,142,0.3); color: #ffffff; }
.solving.key { display: flex; align-items: center; gap: 0.5rem; font-size: 0.9rem; }
.solving.key i { min-height: 0.8rem; width: 0.8rem; }
.solving.key i:last-of-type { margin-left: 1rem; }
/* charts whose names stand in a margin: on a telephone they scroll, a squeezed one says nothing */
@media (max-width: 640px) {
  .stMainBlockContainer { padding-inline: 1rem; }
  .st-key-heading { padding-left: 1.6rem; }  /* the arrows that open the navigation */
  :is(.st-key-across, .st-key-answer, .st-key-chain, .st-key-curve, .st-key-differences, .st-key-drop, .st-key-flips,
    .st-key-forest, .st-key-helps, .st-key-maps, .st-key-savings, .st-key-tasks, .st-key-time, .st-key-waterfall) {
    overflow-x: auto;
    & > div { min-width: 700px; }
  }
  table.method td, table.method th { padding-right: 0.4rem; font-size: 0.82rem; hyphens: auto;
    overflow-wrap: break-word; }
}
"""
