"""What exactly is asked: settings in words, a spec filled in and checked, recipes of many runs. No torch."""
