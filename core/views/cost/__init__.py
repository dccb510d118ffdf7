"""What sparsity saves: how many times less of everything, time beside what FLOPs promise, bytes by part."""
