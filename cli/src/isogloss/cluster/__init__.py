"""The platform as a Helm release on Kubernetes, behind the same commands as the local one."""
