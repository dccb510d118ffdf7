"""What was measured, against whom, and the command that measures it again."""
