"""What reaches outside this process: the registry-proxy, the drift-monitor, the file system."""
