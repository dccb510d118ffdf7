"""Which pattern holds, group by group: the occupancy map, the certificate, libraries, checkpoints from elsewhere."""
