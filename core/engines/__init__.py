"""Who carries the cells of a sweep out, and where? One after the other in this process, several at once in processes of
this machine, or spread over a Ray cluster: `cells` says what there is to make and in which order, `schedule` who makes
what next, `loop` drives any hands, `processes` and `cluster` are the hands."""
