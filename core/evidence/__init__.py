"""What the recorded answers say of methods: values, differences and their intervals, over examples and seeds.

Between `core.runs` (which keeps the answers) and the pages, the command `table` and the README, which all quote it.
numpy only: no torch, no Plotly.
"""
