"""What there is: the runs, the methods and what their authors say of them, the run that goes on now."""
