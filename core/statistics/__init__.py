"""How sure a number is: noise of a score, rank correlation. numpy only, nothing of a run."""
